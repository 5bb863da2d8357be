"""What the two sides were measured on: whether it is the same, and the part that is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.difference import kinds_of
from assay.data.matching import positions, whole

Found = dict[str, Any]


def ruler_part(before: pa.Table, after: pa.Table, samples: pa.Table) -> Found:
    """Compare two rulers (id, label, metadata; by id). `samples`: those of the dataset that changed, which say why.

    `added`, `removed`: how many, `why` each: {kind of change: how many}. `flows`: relabelled from, to, count.
    `metadata`: of the common ones, how many only have other metadata. `common`: samples in both with the same label.
    """
    old, new = whole(before["id"]), whole(after["id"])
    a, b = _common_rows(old, new)
    labels = [whole(t["label"]).take(pa.array(rows)) for t, rows in ((before, a), (after, b))]
    same = pc.equal(*labels)
    notes = [whole(t["metadata"]).take(pa.array(rows)) for t, rows in ((before, a), (after, b))]
    other_notes = pc.and_(same, pc.not_equal(*notes))
    differs = pc.invert(same)
    flows = Counter(
        zip(labels[0].filter(differs).to_pylist(), labels[1].filter(differs).to_pylist(), strict=True)
    )
    added = new.filter(pc.equal(pa.array(positions(new, old)), -1))
    removed = old.filter(pc.equal(pa.array(positions(old, new)), -1))
    found: Found = {
        "sizes": {"a": len(old), "b": len(new)},
        "common": pc.sum(same).as_py() or 0,
        "added": len(added),
        "removed": len(removed),
        "relabelled": pc.sum(differs).as_py() or 0,
        "metadata": pc.sum(other_notes).as_py() or 0,
        "flows": [{"before": x, "after": y, "count": n} for (x, y), n in sorted(flows.items(), key=_size)],
        "why": {"added": _why(added, samples), "removed": _why(removed, samples)},
    }
    return found | {"changed": any(found[key] for key in ("added", "removed", "relabelled", "metadata"))}


def common(before: pa.Table, after: pa.Table) -> pa.Table:
    """The rows of `after` whose sample has the same label in `before`: what both sides can be measured on."""
    a, b = _common_rows(whole(before["id"]), whole(after["id"]))
    old, new = whole(before["label"]).take(pa.array(a)), after.take(pa.array(b))
    return new.filter(pc.equal(old, whole(new["label"]))).combine_chunks()


def _common_rows(old: pa.Array, new: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The rows of `old` and of `new` that hold the samples of both, in the order of `new`."""
    found = positions(new, old)
    there = np.flatnonzero(found >= 0)
    return found[there], there


def _why(ids: pa.Array, samples: pa.Table) -> dict[str, int]:
    """In how many ways the samples changed in the dataset, most frequent first."""
    rows = positions(ids, whole(samples["id"]))
    kinds = whole(samples["kinds"]).take(pa.array(rows[rows >= 0])).to_pylist()
    return dict(Counter(kind for bits in kinds for kind in kinds_of(bits)).most_common())


def _size(flow: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -flow[1], flow[0]
