"""The data of two sides: the change of each sample, the edit batch behind it, and the counts of the classes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.difference import FIELD, Difference, diff
from assay.data.edits import batch_files, read_batch
from assay.data.files import read_json
from assay.data.matching import positions, whole
from assay.data.shift import shift
from assay.data.snapshot import Snapshot
from assay.errors import EditError
from assay.experiments.sides import Side

Found = dict[str, Any]
ELSEWHERE = ""
"""Column `batch`: no edit batch between the sides has a judgement on the sample."""


@dataclass(frozen=True)
class Loaded:
    """The snapshot of a side, and the digest that `curate` wrote beside it."""

    snapshot: Snapshot
    digest: str

    @classmethod
    def of(cls, folder: Path) -> Loaded:
        return cls(Snapshot.load(folder), read_json(folder / "snapshot.json", made_by="curate")["digest"])


def data_part(a: Side, b: Side, before: Loaded, after: Loaded) -> tuple[Found, pa.Table]:
    """Summary, and one row for each changed sample: CHANGED with `batch` and the first `origin`."""
    found = diff(before.snapshot, after.snapshot)
    batches, last_word = batches_between(a, b)
    samples = described(found, before.snapshot, after.snapshot, last_word)
    touched = Counter(samples["batch"].to_pylist())
    summary = {
        "digests": {"a": before.digest, "b": after.digest},
        "sizes": {"a": len(before.snapshot), "b": len(after.snapshot)},
        "changed": len(found.samples),
        "counts": found.counts(),
        "flows": {kind: found.flows(kind) for kind, field in FIELD.items() if field != "group"},
        "batches": [row | {"changed": touched[row["batch"]]} for row in batches],
        "not_by_batch": touched[ELSEWHERE],
        "sources": _sources(found.of("added")["id"].combine_chunks(), after.snapshot),
        **shift(before.snapshot, after.snapshot),
    }
    return summary, samples


def described(found: Difference, before: Snapshot, after: Snapshot, last_word: Mapping[str, str]) -> pa.Table:
    """The changed samples with the last batch that judges each, and its first origin."""
    ids = whole(found.samples["id"])
    origins = [_first_origin(ids, snapshot) for snapshot in (after, before)]
    batches = [last_word.get(sample, ELSEWHERE) for sample in ids.to_pylist()]
    table = found.samples.append_column("batch", pa.array(batches, pa.string()))
    return table.append_column("origin", pc.coalesce(*origins, pa.scalar("", pa.string())))


def _first_origin(ids: pa.Array, snapshot: Snapshot) -> pa.Array:
    rows = positions(ids, snapshot.ids)
    lists = whole(snapshot.samples["origins"]).take(pa.array(rows, mask=rows < 0))
    there = pc.fill_null(pc.greater(pc.list_value_length(lists), 0), False)
    first = pa.nulls(len(ids), pa.string())
    return pc.replace_with_mask(first, there, pc.list_element(lists.filter(there), 0))


def _sources(ids: pa.Array, snapshot: Snapshot) -> dict[str, int]:
    """{source: count} of the samples `ids` by their first source."""
    origins = _first_origin(ids, snapshot).drop_null()
    named = pc.list_element(pc.split_pattern(origins, ":", max_splits=1), 0)
    return dict(sorted(Counter(named.to_pylist()).items()))


def batches_between(a: Side, b: Side) -> tuple[list[Found], dict[str, str]]:
    """The edit batches that only one side has, in order, and {sample: the last of them that judges it}.

    A batch with the same name and different content counts as two batches, which shows that it was changed.
    """
    held = [_batches(side) for side in (a, b)]
    common = held[0].keys() & held[1].keys()
    rows: list[Found] = []
    last_word: dict[str, str] = {}
    for only_in, own in (("a", held[0]), ("b", held[1])):
        for key, file in own.items():
            if key not in common:
                row, judged = _batch(file)
                rows.append(row | {"only_in": only_in})
                last_word |= dict.fromkeys(judged, file.stem)
    return rows, last_word


def _batches(side: Side) -> dict[tuple[str, str], Path]:
    """{(name, content): file} of the batches, in folding order."""
    files = batch_files(side.layout.edits) if side.layout.edits.is_dir() else []
    return {(file.stem, hashlib.sha256(file.read_bytes()).hexdigest()): file for file in files}


def _batch(file: Path) -> tuple[Found, set[str]]:
    """Summary of a batch, and the ids it judges."""
    try:
        judgements = read_batch(file)
    except EditError as error:
        return {"batch": file.stem, "unreadable": str(error)}, set()
    times = sorted(judgement.at for judgement in judgements)
    seconds = sum(judgement.seconds or 0 for judgement in judgements)
    return {
        "batch": file.stem,
        "by": dict(Counter(judgement.by for judgement in judgements).most_common()),
        "ops": dict(Counter(judgement.op for judgement in judgements).most_common()),
        "first": times[0] if times else None,
        "last": times[-1] if times else None,
        "judgements": len(judgements),
        "seconds": round(seconds, 1) or None,
    }, {judgement.id for judgement in judgements}
