"""The fold: pool + edit batches -> snapshot. Deterministic; later judgements win; history is never lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data import splits
from assay.data.annotations import Annotation, annotations_json, fitted, to_columns
from assay.data.edits import Batches, Judgement
from assay.data.pool import Pool
from assay.data.snapshot import ANNOTATIONS, Snapshot
from assay.errors import EditError

ORIGIN = ["source", "path", "id"]
FIELDS = ("annotations", "split", "group", "captured_at", "metadata")


def fold(
    pool: Pool,
    batches: Batches,
    pairs: pa.Table,
    fractions: Mapping[str, float],
    seed: int,
    classes: Sequence[str] | None = None,
) -> Snapshot:
    """The snapshot of a pool with all edit batches applied.

    `pairs` (id, other) are near-duplicates: a new sample gets the split of the oldest sample it duplicates. `classes`
    are the declared categories in the model's order; None: all that occur, sorted. EditError for a judgement of an
    image that is not in the pool, and for an object that does not fit its image.
    """
    order = pc.sort_indices(pool.index["id"])
    base = pool.index.take(order)
    ids = base["id"].combine_chunks()
    imports = _latest_of_each_origin(pool.imports)
    here = imports.filter(pc.invert(imports["gone"]))
    known = {name: _last_of_each_id(ids, here, name) for name in FIELDS}
    edited = _apply(batches, base)
    annotations = _overlay(known["annotations"], edited["annotations"])
    group = _overlay(known["group"], edited["group"])
    gone = _gone(ids, imports)
    excluded = gone.copy()
    excluded[list(edited["excluded"])] = list(edited["excluded"].values())
    claims = split_claims(pool.imports)
    decided = _overlay(_claimed_splits(ids, claims), edited["split"])
    loose = _may_be_val(ids, claims)
    loose[list(edited["split"])] = False
    split = _assign(ids, np.asarray(order), group, decided, loose, pairs, fractions, seed)
    samples = pa.table(
        {
            "id": ids,
            **{name: base[name] for name in ("width", "height", "mode", "format")},
            "origins": _origins(ids, _whereabouts(imports, here, ids.filter(pa.array(gone)))),
            "group": group,
            "captured_at": known["captured_at"],
            "metadata": pc.fill_null(known["metadata"], "{}"),
            "split": pa.array(split, pa.string()),
            "labelled": pc.is_valid(annotations),
            "excluded": pa.array(excluded),
        }
    )
    table = _explode(ids, annotations)
    found = pc.unique(table["category"]).to_pylist()
    return Snapshot(samples, table, tuple(classes if classes is not None else sorted(found)))


def current(imports: pa.Table) -> pa.Table:
    """The last row of each (source, path, id), without those whose image is gone from there."""
    latest = _latest_of_each_origin(imports)
    return latest.filter(pc.invert(latest["gone"]))


def split_claims(imports: pa.Table) -> pa.Table:
    """Splits given by the sources: (id, source, split), one row for each origin that gives one."""
    latest = current(imports.select([*ORIGIN, "split", "gone"]))
    return latest.filter(pc.is_valid(latest["split"])).select(["id", "source", "split"])


def _latest_of_each_origin(imports: pa.Table) -> pa.Table:
    """The last row of each (source, path, id), in the order of `imports`."""
    rows = imports.select(ORIGIN).append_column("row", pa.array(np.arange(len(imports)), pa.int64()))
    last = rows.group_by(ORIGIN, use_threads=False).aggregate([("row", "max")])["row_max"]
    if len(last) == len(imports):
        return imports
    return imports.take(pa.array(np.sort(last.to_numpy())))


def _last_of_each_id(ids: pa.Array, imports: pa.Table, field: str) -> pa.Array:
    """(n,) of text: the last non-null value of each id; null if it has none."""
    values = imports.filter(pc.is_valid(imports[field]))
    row_of = pc.index_in(values["id"], value_set=ids)
    rows = row_of.to_numpy(zero_copy_only=False).astype(np.int64)
    position = np.full(len(ids), -1, np.int64)
    np.maximum.at(position, rows, np.arange(len(rows)))
    picks = pa.array(position, mask=position < 0)
    return _one(values[field]).take(picks)


def _gone(ids: pa.Array, imports: pa.Table) -> np.ndarray:
    """(n,) bool: whether an image is gone from every origin. Only mirrored sources report this."""
    rows = pc.index_in(imports["id"], value_set=ids).to_numpy(zero_copy_only=False).astype(np.int64)
    gone = imports["gone"].to_numpy(zero_copy_only=False).astype(bool)
    there = np.bincount(rows, weights=~gone, minlength=len(ids))
    return np.asarray((np.bincount(rows, minlength=len(ids)) > 0) & (there == 0))


def _whereabouts(imports: pa.Table, here: pa.Table, gone: pa.Array) -> pa.Table:
    """Rows of the current origins; for an image that is gone everywhere, those of its former origins."""
    return pa.concat_tables([here, imports.filter(pc.is_in(imports["id"], value_set=gone))])


def _origins(ids: pa.Array, imports: pa.Table) -> pa.Array:
    """Every `source:path` of an image, sorted: (n,) of list<string>."""
    named = pa.table(
        {"id": imports["id"], "origin": pc.binary_join_element_wise(imports["source"], imports["path"], ":")}
    ).sort_by([("id", "ascending"), ("origin", "ascending")])
    rows = pc.index_in(named["id"], value_set=ids).to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(rows, minlength=len(ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), _one(named["origin"]))


def _claimed_splits(ids: pa.Array, claims: pa.Table) -> pa.Array:
    best = splits.most_protected(claims)
    rows = pc.index_in(pa.array(list(best), pa.string()), value_set=ids).to_pylist()
    return _overlay(pa.nulls(len(ids), pa.string()), dict(zip(rows, best.values(), strict=True)))


def _may_be_val(ids: pa.Array, claims: pa.Table) -> np.ndarray:
    """(n,) bool: whether a sample is claimed for train only, and by sources without a val split only."""
    with_val = pc.unique(claims.filter(pc.equal(claims["split"], "val"))["source"])
    firm = pc.or_(pc.is_in(claims["source"], value_set=with_val), pc.not_equal(claims["split"], "train"))
    is_claimed, is_firm = (
        pc.is_in(ids, value_set=table["id"].combine_chunks()) for table in (claims, claims.filter(firm))
    )
    may: np.ndarray = pc.and_not(is_claimed, is_firm).to_numpy(zero_copy_only=False)
    return may.copy()


def _apply(batches: Batches, base: pa.Table) -> dict[str, dict[int, Any]]:
    """The last decision on each sample: field -> row of the sample -> value."""
    ids, sizes = base["id"].combine_chunks(), base.select(["width", "height"])
    flat = [(name, judgement) for name, batch in batches for judgement in batch]
    found = pc.index_in(pa.array([j.id for _, j in flat], pa.string()), value_set=ids).to_pylist()
    state: dict[str, dict[int, Any]] = {"annotations": {}, "split": {}, "group": {}, "excluded": {}}
    for (name, judgement), row in zip(flat, found, strict=True):
        if row is None:
            raise EditError(
                f"data/edits/{name}.jsonl judges image {judgement.id}, which is not in the pool",
                hint="`dvc pull data/pool`, or ingest the source it came from",
            )
        field, value = _decision(judgement)
        if judgement.op == "label":
            value = annotations_json(_fitted(name, judgement, *(c[row].as_py() for c in sizes.columns)))
        state[field][row] = value
    return state


def _fitted(name: str, judgement: Judgement, width: int, height: int) -> list[Annotation]:
    """The annotations of a judgement, clipped to the image: see `assay.data.annotations.fitted`."""
    notes = judgement.annotations or []
    try:
        return [note if note.is_tag else fitted(note, width, height)[0] for note in notes]
    except ValueError as error:
        raise EditError(
            f"data/edits/{name}.jsonl judges image {judgement.id[:12]}: {error}",
            hint="boxes are x, y, width, height in pixels of the upright image: correct the image in a later batch, "
            "or delete the line",
        ) from None


def _decision(judgement: Judgement) -> tuple[str, Any]:
    match judgement.op:
        case "label":
            return "annotations", judgement.annotations
        case "split":
            return "split", judgement.split
        case "group":
            return "group", judgement.group
        case "exclude" | "include":
            return "excluded", judgement.op == "exclude"


def _overlay(values: pa.Array, changes: dict[int, Any]) -> pa.Array:
    """`values` with some rows replaced."""
    if not changes:
        return values
    mask = np.zeros(len(values), bool)
    rows = np.fromiter(changes, np.int64, len(changes))
    mask[rows] = True
    replacement = pa.array([changes[row] for row in np.sort(rows).tolist()], values.type)
    return pc.replace_with_mask(values, pa.array(mask), replacement)


def _assign(
    ids: pa.Array,
    age: np.ndarray,
    group: pa.Array,
    decided: pa.Array,
    loose: np.ndarray,
    pairs: pa.Table,
    fractions: Mapping[str, float],
    seed: int,
) -> np.ndarray:
    """(n,) the split of each sample. Of the `loose` samples, claimed for train, the hash assigns some to val."""
    hashed = splits.hashed(pc.coalesce(group, ids).to_pylist(), fractions, seed)
    is_decided = pc.is_valid(decided).to_numpy(zero_copy_only=False) & ~(loose & (hashed == "val"))
    split = np.where(is_decided, decided.to_numpy(zero_copy_only=False), hashed).astype(object)
    fixed = (is_decided & ~loose) | pc.is_valid(group).to_numpy(zero_copy_only=False)
    followed = splits.follow_oldest(split, age, _rows(pairs, ids), fixed)
    return np.where(loose & (followed == "test"), split, followed)


def _rows(pairs: pa.Table, ids: pa.Array) -> np.ndarray:
    """Pairs of ids as rows: (m, 2) int64."""
    if not len(pairs):
        return np.empty((0, 2), np.int64)
    sides = [
        pc.index_in(pairs[name], value_set=ids).to_numpy(zero_copy_only=False) for name in ("id", "other")
    ]
    return np.stack(sides, axis=1).astype(np.int64)


def _explode(ids: pa.Array, annotations: pa.Array) -> pa.Table:
    """One row per annotation, sorted by (id, index). Each distinct text is parsed once."""
    encoded = annotations.dictionary_encode()
    parsed = [json.loads(text) for text in encoded.dictionary.to_pylist()]
    if all(len(p) == 1 and p[0].keys() == {"category"} for p in parsed):
        return _explode_tags(ids, encoded, [p[0]["category"] for p in parsed])
    rows = [
        (sample, index, *to_columns(a))
        for sample, code in zip(ids.to_pylist(), encoded.indices.to_pylist(), strict=True)
        if code is not None
        for index, a in enumerate(parsed[code])
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(ANNOTATIONS)
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, ANNOTATIONS, strict=True)], schema=ANNOTATIONS
    )


def _explode_tags(ids: pa.Array, encoded: pa.DictionaryArray, categories: list[str]) -> pa.Table:
    """`_explode` for one category per image and no boxes, without a Python object per row."""
    there = pc.is_valid(encoded.indices)
    n = pc.sum(there).as_py() or 0
    columns = [
        ids.filter(there),
        pa.array(np.zeros(n), pa.int32()),
        pa.array(categories, pa.string()).take(encoded.indices.filter(there)),
        pa.nulls(n, ANNOTATIONS.field("bbox").type),
        pa.nulls(n, pa.string()),
        pa.repeat(pa.scalar(False), n),
        pa.nulls(n, pa.string()),
    ]
    return pa.table(columns, schema=ANNOTATIONS)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
