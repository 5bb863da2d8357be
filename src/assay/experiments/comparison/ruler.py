"""The test sets of two sides: whether they are the same, and the samples they have in common."""

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
    """Compare two test sets (id, label, metadata; by id). `samples`: changed samples of the dataset, for the reasons.

    `added`, `removed`: counts, each with `why`: {kind of change: count}. `flows`: relabelled from, to, count.
    `metadata`: common samples of which only the metadata differ. `common`: samples in both with the same label.
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
    """The rows of `after` with the same label in `before`: both sides can be measured on them."""
    a, b = _common_rows(whole(before["id"]), whole(after["id"]))
    old, new = whole(before["label"]).take(pa.array(a)), after.take(pa.array(b))
    return new.filter(pc.equal(old, whole(new["label"]))).combine_chunks()


def _common_rows(old: pa.Array, new: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the common samples in `old` and in `new`, in the order of `new`."""
    found = positions(new, old)
    there = np.flatnonzero(found >= 0)
    return found[there], there


def _why(ids: pa.Array, samples: pa.Table) -> dict[str, int]:
    """{kind of change: count} of the samples `ids`, the most frequent first."""
    rows = positions(ids, whole(samples["id"]))
    kinds = whole(samples["kinds"]).take(pa.array(rows[rows >= 0])).to_pylist()
    return dict(Counter(kind for bits in kinds for kind in kinds_of(bits)).most_common())


def _size(flow: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -flow[1], flow[0]
