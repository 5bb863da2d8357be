"""What changed between two snapshots, down to the sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.matching import Rows, positions, whole
from assay.data.snapshot import Snapshot

Codes = NDArray[np.int64]

KINDS = (
    "added",
    "removed",
    "excluded",
    "restored",
    "labelled",
    "unlabelled",
    "relabelled",
    "moved",
    "regrouped",
)
"""How a sample can have changed; one may have in several ways. Bit n of `kinds` is KINDS[n]."""
FIELD = {
    "labelled": "label",
    "unlabelled": "label",
    "relabelled": "label",
    "moved": "split",
    "regrouped": "group",
}
"""What has a before and an after. labelled: nobody had looked; relabelled: the annotations changed in any way."""
FIELDS = ("label", "split", "group")
CHANGED = pa.schema(
    {
        "id": pa.string(),
        "kinds": pa.uint16(),
        **{f"{field}_{side}": pa.string() for field in FIELDS for side in ("before", "after")},
    }
)


@dataclass(frozen=True)
class Difference:
    """Every sample that changed, one row each (CHANGED, sorted by id): what it was and what it is."""

    samples: pa.Table

    def __bool__(self) -> bool:
        return len(self.samples) > 0

    def of(self, kind: str) -> pa.Table:
        """The rows that changed in one of KINDS."""
        return self.samples.filter(pa.array(self._kinds & (1 << KINDS.index(kind)) != 0))

    def counts(self) -> dict[str, int]:
        """How many samples changed in each way."""
        return {kind: int((self._kinds >> bit & 1).sum()) for bit, kind in enumerate(KINDS)}

    def flows(self, kind: str) -> list[dict[str, Any]]:
        """From what to what, for a kind with a before and an after: rows of before, after, count, largest first.

        Objects that were drawn anew, as many of each class as before, are no flow.
        """
        rows, field = self.of(kind), FIELD[kind]
        columns = (rows[f"{field}_{side}"].to_pylist() for side in ("before", "after"))
        pairs = Counter((before, after) for before, after in zip(*columns, strict=True) if before != after)
        ordered = sorted(pairs.items(), key=lambda item: (-item[1], str(item[0])))
        return [{"before": before, "after": after, "count": n} for (before, after), n in ordered]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON: the counts, and each sample with its kinds by name."""
        names = [kinds_of(kinds) for kinds in self._kinds.tolist()]
        rows = [row | {"kinds": kinds} for row, kinds in zip(self.samples.to_pylist(), names, strict=True)]
        return {"counts": self.counts(), "samples": rows}

    @cached_property
    def _kinds(self) -> NDArray[np.uint16]:
        return np.asarray(self.samples["kinds"].to_numpy(), np.uint16)


def kinds_of(bits: int) -> list[str]:
    """The names of a row's `kinds`."""
    return [kind for bit, kind in enumerate(KINDS) if bits >> bit & 1]


def diff(before: Snapshot, after: Snapshot) -> Difference:
    """Compare two snapshots. A sample is relabelled when its annotations changed in any way, boxes included."""
    row_before = positions(after.ids, before.ids)
    b = np.flatnonzero(row_before >= 0)
    a = row_before[b]
    old_bits = np.full(len(before), _bit("removed"), np.uint16)
    old_bits[a] = 0
    new_bits = np.full(len(after), _bit("added"), np.uint16)
    new_bits[b] = _exclusion(before, after, a, b) | _changes(before, after, a, b)
    gone, changed = np.flatnonzero(old_bits), np.flatnonzero(new_bits)
    parts = [
        _table(old_bits[gone], (before, gone), (after, np.full(len(gone), -1))),
        _table(new_bits[changed], (before, row_before[changed]), (after, changed)),
    ]
    return Difference(pa.concat_tables(parts).sort_by("id").combine_chunks())


def _bit(kind: str) -> int:
    return 1 << KINDS.index(kind)


def _exclusion(before: Snapshot, after: Snapshot, a: Rows, b: Rows) -> NDArray[np.uint16]:
    was, now = (s.samples["excluded"].to_numpy()[rows] for s, rows in ((before, a), (after, b)))
    bits = np.where(~was & now, _bit("excluded"), 0) | np.where(was & ~now, _bit("restored"), 0)
    return bits.astype(np.uint16)


def _changes(before: Snapshot, after: Snapshot, a: Rows, b: Rows) -> NDArray[np.uint16]:
    """The bits of FIELD for the samples in rows `a` of `before` and `b` of `after`."""
    bits = np.where(_differs(before, after, "split", a, b), _bit("moved"), 0)
    bits |= np.where(_differs(before, after, "group", a, b), _bit("regrouped"), 0)
    old, new = _labels(before, after)
    old, new = old[a], new[b]
    was, now = old >= 0, new >= 0
    bits |= np.where(~was & now, _bit("labelled"), 0) | np.where(was & ~now, _bit("unlabelled"), 0)
    bits |= np.where(was & now & (old != new), _bit("relabelled"), 0)
    return bits.astype(np.uint16)


def _differs(before: Snapshot, after: Snapshot, field: str, a: Rows, b: Rows) -> NDArray[np.bool_]:
    old, new = (
        whole(snapshot.samples[field]).take(pa.array(rows)) for snapshot, rows in ((before, a), (after, b))
    )
    one_is_null = pc.xor(pc.is_null(old), pc.is_null(new))
    differs = pc.or_(pc.fill_null(pc.not_equal(old, new), False), one_is_null)
    return np.asarray(differs.to_numpy(zero_copy_only=False), bool)


def _labels(before: Snapshot, after: Snapshot) -> tuple[Codes, Codes]:
    """The notes of all samples of either side as numbers, equal where the notes are, −1 where nobody has looked."""
    translated = positions(after.notes.dictionary, before.notes.dictionary)
    unknown = translated < 0
    translated[unknown] = len(before.notes.dictionary) + np.arange(unknown.sum())
    old, new = (
        np.asarray(pc.fill_null(side.notes.indices, -1).to_numpy(zero_copy_only=False), np.int64)
        for side in (before, after)
    )
    return old, np.append(translated, -1)[new]


def _table(bits: NDArray[np.uint16], before: tuple[Snapshot, Rows], after: tuple[Snapshot, Rows]) -> pa.Table:
    """Rows of CHANGED; row −1 of a snapshot: it does not have the sample."""
    columns: dict[str, Any] = {}
    for side, (snapshot, rows) in (("before", before), ("after", after)):
        picks = pa.array(rows, pa.int64(), mask=rows < 0)
        columns |= {f"id_{side}": snapshot.ids.take(picks)}
        columns |= {f"label_{side}": snapshot.words.take(picks).cast(pa.string())}
        columns |= {f"{field}_{side}": whole(snapshot.samples[field]).take(picks) for field in FIELDS[1:]}
    columns["id"] = pc.coalesce(columns["id_after"], columns["id_before"])
    columns["kinds"] = pa.array(bits, pa.uint16())
    return pa.table({name: columns[name] for name in CHANGED.names}, schema=CHANGED)
