"""What became of each object on the images whose annotations changed: objects are paired one to one by their IoU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data import masks
from assay.data.annotations import Annotation, outline_json
from assay.data.matching import positions
from assay.data.snapshot import Snapshot

Found = dict[str, Any]
Pair = tuple[Annotation | None, Annotation | None]
"""An object before and after; None: it is not there."""

KINDS = ("added", "removed", "re-boxed", "re-outlined", "re-classified", "re-described")
"""How an object can have changed; one may have in several of the last four ways. re-described: crowd or attributes."""
SAME = 0.3
"""IoU of boxes from which on two can be one object: a box that was moved by a third of its width has 0.5."""
SAME_CLASS = 1e-3
"""What two boxes of one class are ahead by, so that of two that lie alike the one of the same class is taken."""
OBJECTS = pa.schema(
    {
        "id": pa.string(),
        "kinds": pa.list_(pa.string()),
        **{f"category_{side}": pa.string() for side in ("before", "after")},
        **{f"box_{side}": pa.list_(pa.float64()) for side in ("before", "after")},
        **{f"outline_{side}": pa.string() for side in ("before", "after")},
        "iou": pa.float64(),
        "width": pa.int32(),
        "height": pa.int32(),
    }
)
"""`outline`: as in the snapshot. `width`, `height`: of the image. `iou`: of the masks where both have an outline, or
else of the boxes; null for what is on one side only."""


def objects_part(before: Snapshot, after: Snapshot) -> tuple[Found, pa.Table]:
    """Counts, and a row (OBJECTS) for each object that changed on the images that both sides have looked at.

    ({}, no rows) where neither side has objects.
    """
    totals = [_objects_in(snapshot) for snapshot in (before, after)]
    if not any(totals):
        return {}, OBJECTS.empty_table()
    rows = [
        _row(sample, pair, size)
        for sample, size, old, new in _both(before, after)
        for pair in changed_pairs(old, new)
    ]
    table = pa.Table.from_pylist(rows, OBJECTS)
    return {"a": totals[0], "b": totals[1], **_summary(table)}, table


def _objects_in(snapshot: Snapshot) -> int:
    notes = snapshot.annotations
    return int(pc.sum(pc.or_(pc.is_valid(notes["bbox"]), pc.is_valid(notes["segmentation"]))).as_py() or 0)


def _summary(table: pa.Table) -> Found:
    counts = Counter(kind for kinds in table["kinds"].to_pylist() for kind in kinds)
    ious = table["iou"].filter(pc.less(table["iou"], 1)).drop_null().to_numpy()
    flows = Counter(
        zip(*(table[f"category_{side}"].to_pylist() for side in ("before", "after")), strict=True)
    )
    changed = [(pair, n) for pair, n in flows.most_common() if None not in pair and pair[0] != pair[1]]
    return {
        "images": len(pc.unique(table["id"])),
        "counts": {kind: counts[kind] for kind in KINDS},
        "median_iou": round(float(np.median(ious)), 4) if len(ious) else None,
        "flows": [{"before": before, "after": after, "count": n} for (before, after), n in changed],
    }


def _both(
    before: Snapshot, after: Snapshot
) -> Iterator[tuple[str, tuple[int, int], list[Annotation], list[Annotation]]]:
    """(id, (height, width), objects before, objects after) of the images that both have looked at and see otherwise."""
    rows = positions(after.ids, before.ids)
    shared = np.flatnonzero(rows >= 0)
    old, new = before.notes.take(pa.array(rows[shared])), after.notes.take(pa.array(shared))
    differs = pc.fill_null(pc.not_equal(old.cast(pa.string()), new.cast(pa.string())), False)
    ids = after.ids.take(pa.array(shared)).filter(differs).to_pylist()
    sizes = after.samples.take(pa.array(shared)).filter(differs).select(["height", "width"]).to_pylist()
    held = [snapshot.annotations_of(ids) for snapshot in (before, after)]
    for sample, size in zip(ids, sizes, strict=True):
        yield sample, (size["height"], size["width"]), held[0][sample], held[1][sample]


def changed_pairs(before: Sequence[Annotation], after: Sequence[Annotation]) -> list[Pair]:
    """The objects that differ, each with its counterpart: the pairing of the largest sum of IoU. Tags are left out.

    What is the same on both sides is paired first, however it overlaps with others.
    """
    old, new = ([one for one in side if not one.is_tag] for side in (before, after))
    for one in list(old):
        if one in new:
            old.remove(one)
            new.remove(one)
    paired = _paired(old, new)
    pairs: list[Pair] = [(old[i], new[j]) for i, j in paired]
    taken = [{pair[side] for pair in paired} for side in (0, 1)]
    pairs += [(one, None) for i, one in enumerate(old) if i not in taken[0]]
    return pairs + [(None, one) for j, one in enumerate(new) if j not in taken[1]]


def _paired(old: Sequence[Annotation], new: Sequence[Annotation]) -> list[tuple[int, int]]:
    if not old or not new:
        return []
    from scipy.optimize import (
        linear_sum_assignment,  # a third of a second that other comparisons need not wait
    )

    overlap = box_iou(_boxes(old), _boxes(new))
    same = np.array([[a.category == b.category for b in new] for a in old])
    worth = np.where(overlap >= SAME, overlap + SAME_CLASS * same, 0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if worth[i, j] > 0]


def _boxes(objects: Sequence[Annotation]) -> NDArray[np.float64]:
    return np.array([one.box for one in objects], np.float64)


def box_iou(these: NDArray[np.float64], those: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (n, 4) and (m, 4) of x, y, width, height: (n, m)."""
    starts = np.maximum(these[:, None, :2], those[None, :, :2])
    ends = np.minimum((these[:, :2] + these[:, 2:])[:, None], (those[:, :2] + those[:, 2:])[None])
    shared = np.prod(np.clip(ends - starts, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:], axis=1) for boxes in (these, those)]
    found: NDArray[np.float64] = shared / (areas[0][:, None] + areas[1][None] - shared)
    return found


def kinds_of(pair: Pair) -> list[str]:
    """The names of what changed of an object."""
    before, after = pair
    if before is None or after is None:
        return ["added" if before is None else "removed"]
    outlined = before.segmentation != after.segmentation
    facts: Mapping[str, bool] = {
        "re-boxed": before.bbox != after.bbox and not outlined,
        "re-outlined": outlined,
        "re-classified": before.category != after.category,
        "re-described": (before.iscrowd, before.attributes) != (after.iscrowd, after.attributes),
    }
    return [kind for kind in KINDS if facts.get(kind)]


def _row(sample: str, pair: Pair, size: tuple[int, int]) -> Found:
    sides = dict(zip(("before", "after"), pair, strict=True))
    return {
        "id": sample,
        "kinds": kinds_of(pair),
        **{f"category_{side}": one and one.category for side, one in sides.items()},
        **{f"box_{side}": one and one.box for side, one in sides.items()},
        **{f"outline_{side}": one and outline_json(one) for side, one in sides.items()},
        "iou": _iou(pair, size),
        "height": size[0],
        "width": size[1],
    }


def _iou(pair: Pair, size: tuple[int, int]) -> float | None:
    before, after = pair
    if before is None or after is None:
        return None
    if before.segmentation is None or after.segmentation is None:
        return float(box_iou(_boxes([before]), _boxes([after]))[0, 0])
    drawn = [masks.rasterized(one.segmentation, *size) for one in (before, after) if one.segmentation]
    either = np.logical_or(*drawn).sum()
    return float(np.logical_and(*drawn).sum() / either) if either else None
