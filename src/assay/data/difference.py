"""What changed between two snapshots, down to the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.snapshot import Snapshot

CHANGES = {"relabelled": "annotations", "moved": "split", "regrouped": "group"}


@dataclass(frozen=True)
class Difference:
    """Tables of samples, each sorted by id. `changes[kind]` has (id, before, after) for the kinds of CHANGES."""

    added: pa.Array
    removed: pa.Array
    excluded: pa.Array
    restored: pa.Array
    changes: dict[str, pa.Table]

    def __bool__(self) -> bool:
        return any(self.counts().values())

    def counts(self) -> dict[str, int]:
        """How many samples changed in each way."""
        sets = {name: len(getattr(self, name)) for name in ("added", "removed", "excluded", "restored")}
        return sets | {kind: len(table) for kind, table in self.changes.items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        sets = {n: getattr(self, n).to_pylist() for n in ("added", "removed", "excluded", "restored")}
        return {"counts": self.counts()} | sets | {k: t.to_pylist() for k, t in self.changes.items()}


def diff(before: Snapshot, after: Snapshot) -> Difference:
    """Compare two snapshots. A sample is relabelled when its annotations changed in any way, boxes included."""
    old, new = (s.samples["id"].combine_chunks() for s in (before, after))
    common = pc.is_in(old, value_set=new).to_numpy(zero_copy_only=False)
    a = np.flatnonzero(common)
    b = (
        pc.index_in(old.filter(pa.array(common)), value_set=new)
        .to_numpy(zero_copy_only=False)
        .astype(np.int64)
    )
    was, now = (s.samples["excluded"].to_numpy()[rows] for s, rows in ((before, a), (after, b)))
    ids = old.take(pa.array(a))
    return Difference(
        added=new.filter(pc.invert(pc.is_in(new, value_set=old))),
        removed=old.filter(pa.array(~common)),
        excluded=ids.filter(pa.array(~was & now)),
        restored=ids.filter(pa.array(was & ~now)),
        changes={
            kind: _changed(
                ids, _values(before, field).take(pa.array(a)), _values(after, field).take(pa.array(b))
            )
            for kind, field in CHANGES.items()
        },
    )


def _values(snapshot: Snapshot, field: str) -> pa.Array:
    return snapshot.annotation_text if field == "annotations" else snapshot.samples[field].combine_chunks()


def _changed(ids: pa.Array, before: pa.Array, after: pa.Array) -> pa.Table:
    same = pc.fill_null(pc.equal(before, after), False)
    both_null = pc.and_(pc.is_null(before), pc.is_null(after))
    differs = pc.invert(pc.or_(same, both_null))
    return pa.table(
        {"id": ids.filter(differs), "before": before.filter(differs), "after": after.filter(differs)}
    )
