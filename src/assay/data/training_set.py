"""The training set: the labelled train and val samples of a snapshot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.annotations import Columns, annotations_json, from_columns
from assay.data.matching import positions, whole
from assay.data.snapshot import ANNOTATIONS, Label, Snapshot, one_category

TRAIN = pa.schema({"id": pa.string(), "split": pa.string(), "label": pa.string(), "annotations": pa.string()})


def training_set(snapshot: Snapshot, limit: int | None, seed: int, label: Label = one_category) -> pa.Table:
    """TRAIN rows sorted by id: train (at most `limit`, drawn by `seed`) and val, without excluded samples.

    The schema's metadata has `digest` and `categories`, so that the stage train depends on no file of the queue.
    """
    rows = labelled(snapshot, label)
    rows = rows.filter(pc.not_equal(rows["split"], "test"))
    if limit is not None:
        rows = _limited(rows, limit, seed)
    ids = rows["id"].to_pylist()
    texts = annotation_texts(snapshot, ids)
    notes = pa.array([texts.get(sample, "[]") for sample in ids], pa.string())
    table = rows.append_column("annotations", notes).select(TRAIN.names).cast(TRAIN)
    digest = training_digest(table, snapshot.categories)
    return table.replace_schema_metadata(
        {"digest": digest, "categories": json.dumps(snapshot.categories, ensure_ascii=False)}
    )


def kept(snapshot: Snapshot) -> pa.Table:
    """(id, split, labelled) of the samples that are not excluded, sorted by id."""
    samples = snapshot.samples
    return samples.filter(pc.invert(samples["excluded"])).select(["id", "split", "labelled"]).sort_by("id")


def labelled(snapshot: Snapshot, label: Label = one_category) -> pa.Table:
    """(id, split, label) of the samples that are labelled for a task and not excluded, sorted by id."""
    rows, single = kept(snapshot), snapshot.labelled_by(label)
    found = positions(whole(rows["id"]), whole(single["id"]))
    labels = single["label"].take(pa.array(found[found >= 0]))
    rows = rows.filter(pa.array(found >= 0)).select(["id", "split"])
    return rows.append_column("label", labels).combine_chunks()


def _limited(rows: pa.Table, limit: int, seed: int) -> pa.Table:
    """All of val, and the first `limit` of train in drawn order: a larger limit only adds samples."""
    ids = rows.filter(pc.equal(rows["split"], "train"))["id"].to_pylist()
    drawn = pa.array(drawn_order(ids, seed, "train_limit")[:limit], pa.string())
    return rows.filter(pc.or_(pc.equal(rows["split"], "val"), pc.is_in(rows["id"], value_set=drawn)))


def drawn_order(ids: Sequence[str], seed: int, purpose: str) -> list[str]:
    """`ids` in a random order. The order of any two ids does not depend on the others."""
    return sorted(ids, key=lambda sample: hashlib.sha256(f"{seed}:{purpose}:{sample}".encode()).digest())


def annotation_texts(snapshot: Snapshot, ids: Iterable[str]) -> dict[str, str]:
    """Id -> annotations as canonical JSON, for those of `ids` that have any."""
    wanted = set(ids)
    columns = (snapshot.annotations[name].to_pylist() for name in ANNOTATIONS.names)
    held: dict[str, list[tuple[Any, ...]]] = {}
    for sample, *row in zip(*columns, strict=True):
        if sample in wanted:
            index, category, bbox, *rest = row
            held.setdefault(sample, []).append((index, category, bbox and tuple(bbox), *rest))
    return {sample: _text(*(row[1:] for row in sorted(rows))) for sample, rows in held.items()}


@lru_cache(maxsize=100_000)
def _text(*rows: Columns) -> str:
    return annotations_json([from_columns(row) for row in rows]) or "[]"


def training_digest(table: pa.Table, categories: Sequence[str]) -> str:
    """SHA-256 of the input of training: the categories in order, and id, split and annotations of the rows."""
    state = hashlib.sha256(json.dumps(categories, ensure_ascii=False).encode())
    for row in zip(*(table[name].to_pylist() for name in ("id", "split", "annotations")), strict=True):
        state.update(("\n" + "\t".join(row)).encode())
    return state.hexdigest()
