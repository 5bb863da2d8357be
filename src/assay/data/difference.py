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
"""Kinds of change of a sample, which may have several. Bit n of `kinds` is KINDS[n]."""
FIELD = {
    "labelled": "label",
    "unlabelled": "label",
    "relabelled": "label",
    "moved": "split",
    "regrouped": "group",
}
"""Kind -> field with a value before and after. labelled: it was unlabelled; relabelled: any change of annotations."""
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
    """The samples that changed: CHANGED, one row per sample, sorted by id."""

    samples: pa.Table

    def __bool__(self) -> bool:
        return len(self.samples) > 0

    def of(self, kind: str) -> pa.Table:
        """The rows with a change of this kind, one of KINDS."""
        return self.samples.filter(pa.array(self._kinds & (1 << KINDS.index(kind)) != 0))

    def counts(self) -> dict[str, int]:
        """Kind -> number of samples."""
        return {kind: int((self._kinds >> bit & 1).sum()) for bit, kind in enumerate(KINDS)}

    def flows(self, kind: str) -> list[dict[str, Any]]:
        """Transitions of a kind in FIELD: rows of before, after, count, the largest count first.

        Equal texts are omitted: redrawn objects with the same number per class.
        """
        rows, field = self.of(kind), FIELD[kind]
        columns = (rows[f"{field}_{side}"].to_pylist() for side in ("before", "after"))
        pairs = Counter((before, after) for before, after in zip(*columns, strict=True) if before != after)
        ordered = sorted(pairs.items(), key=lambda item: (-item[1], str(item[0])))
        return [{"before": before, "after": after, "count": n} for (before, after), n in ordered]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the counts, and each sample with the names of its kinds."""
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
    """Compare two snapshots. Any change of annotations, boxes included, makes a sample relabelled."""
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
    """(n,) bits of the kinds in FIELD, for the samples in rows `a` (n,) of `before` and `b` (n,) of `after`."""
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
    """Codes of the `notes` of all samples before and after: equal for equal notes, −1 for an unlabelled sample."""
    translated = positions(after.notes.dictionary, before.notes.dictionary)
    unknown = translated < 0
    translated[unknown] = len(before.notes.dictionary) + np.arange(unknown.sum())
    old, new = (
        np.asarray(pc.fill_null(side.notes.indices, -1).to_numpy(zero_copy_only=False), np.int64)
        for side in (before, after)
    )
    return old, np.append(translated, -1)[new]


def _table(bits: NDArray[np.uint16], before: tuple[Snapshot, Rows], after: tuple[Snapshot, Rows]) -> pa.Table:
    """CHANGED for rows of the two snapshots; row −1: the sample is not in that snapshot."""
    columns: dict[str, Any] = {}
    for side, (snapshot, rows) in (("before", before), ("after", after)):
        picks = pa.array(rows, pa.int64(), mask=rows < 0)
        columns |= {f"id_{side}": snapshot.ids.take(picks)}
        columns |= {f"label_{side}": snapshot.words.take(picks).cast(pa.string())}
        columns |= {f"{field}_{side}": whole(snapshot.samples[field]).take(picks) for field in FIELDS[1:]}
    columns["id"] = pc.coalesce(columns["id_after"], columns["id_before"])
    columns["kinds"] = pa.array(bits, pa.uint16())
    return pa.table({name: columns[name] for name in CHANGED.names}, schema=CHANGED)
