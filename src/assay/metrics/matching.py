"""Matching of detections to the truth as in COCOeval, for each image, class and IoU threshold.

In the order of scores, each detection takes the free object that it overlaps most; of equal overlaps, the last object.
A detection is ignored, counting neither as right nor as wrong, if it can only take a crowd region or an object outside
the range of sizes, or if it takes none and is outside the range itself. A crowd region may be taken many times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assay.metrics.estimates import Floats
from assay.metrics.objects import (
    Bools,
    Detections,
    Ints,
    Truth,
    offsets_of,
    place_in_group,
    ranges,
)

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU at or above which a detection is right."""
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of the area in pixels, both ends included."""
PAIRS = 1 << 20
"""Pairs of a detection and an object per block of overlaps."""

Overlap = Callable[[Ints, Ints], Floats]
"""(indices of detections (p,), indices of objects (p,)) -> IoU (p,)."""


@dataclass(frozen=True)
class Pairs:
    """Pairs (p,) of a detection and an object of one class and image, with enough overlap to be matched."""

    detections: Ints
    objects: Ints
    overlaps: Floats


@dataclass(frozen=True)
class Matched:
    """Result of matching for one range of sizes: t thresholds, d detections, g objects."""

    objects: NDArray[np.int64]
    """(t, d) index of the object that the detection takes; −1: none."""
    hits: Bools
    """(t, d) whether the detection is right."""
    counted: Bools
    """(t, d) whether the detection counts, as right or wrong."""
    wanted: Bools
    """(g,) whether the object should be found: no crowd, and in the range of sizes."""


def box_overlap(detections: Detections, truth: Truth) -> Overlap:
    """IoU of boxes; for a crowd region, intersection over the area of the detection."""
    areas = [objects.boxes[:, 2] * objects.boxes[:, 3] for objects in (detections, truth)]

    def overlap(d: Ints, g: Ints) -> Floats:
        shared = intersection(detections.boxes[d], truth.boxes[g])
        union = np.where(truth.crowd[g], areas[0][d], areas[0][d] + areas[1][g] - shared)
        return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)

    return overlap


def intersection(a: Floats, b: Floats) -> Floats:
    """(p,) shared area of boxes (p, 4) and boxes (p, 4)."""
    ends = np.minimum(a[:, 2:] + a[:, :2], b[:, 2:] + b[:, :2])
    sides = np.maximum(ends - np.maximum(a[:, :2], b[:, :2]), 0.0)
    shared: Floats = sides[:, 0] * sides[:, 1]
    return shared


def overlapping(ours: Ints, theirs: Ints, overlap: Overlap, least: float) -> Pairs:
    """Pairs of equal group with an overlap ≥ `least`; `ours`, `theirs`: sorted groups of detections and objects."""
    starts = np.searchsorted(theirs, ours, "left")
    counts = np.searchsorted(theirs, ours, "right") - starts
    parts = [
        _enough(np.repeat(part, counts[part]), ranges(starts[part], counts[part]), overlap, least)
        for part in _blocks(counts)
    ]
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _enough(d: Ints, g: Ints, overlap: Overlap, least: float) -> tuple[Ints, Ints, Floats]:
    found = overlap(d, g)
    enough = found >= least
    return d[enough], g[enough], found[enough]


def _blocks(counts: Ints) -> Iterator[Ints]:
    """Indices of detections in blocks of at most about PAIRS pairs; at least one block."""
    block = offsets_of(counts)[:-1] // PAIRS
    edges = np.flatnonzero(np.diff(block, prepend=-1, append=-1)) if len(block) else np.zeros(2, np.int64)
    for start, stop in pairwise(edges):
        yield np.arange(start, stop)


def match(
    detections: Detections,
    truth: Truth,
    pairs: Pairs,
    classes: int,
    size: str = "all",
    thresholds: Floats = THRESHOLDS,
) -> Matched:
    """Match detections, ordered as by `best`, with objects, ordered as by `by_class`, given their pairs."""
    low, high = SIZES[size]
    ignored = truth.crowd | (truth.areas < low) | (truth.areas > high)
    outside = (detections.areas < low) | (detections.areas > high)
    taken = greedy(pairs, detections.groups(classes), ignored, truth.crowd, thresholds)
    matched = taken >= 0
    aside = np.where(matched, np.append(ignored, False)[taken], outside)
    return Matched(taken, matched & ~aside, ~aside, ~ignored)


def greedy(pairs: Pairs, groups: Ints, ignored: Bools, crowd: Bools, thresholds: Floats) -> NDArray[np.int64]:
    """(t, d) index of the object that each detection takes, −1 for none; detections ordered by group and score.

    The r-th detections of all groups are matched at once: they take different objects.
    """
    d, g = pairs.detections, pairs.objects
    first = np.flatnonzero(np.diff(d, prepend=-1))
    rank = np.repeat(place_in_group(groups[d[first]]), np.diff(np.append(first, len(d))))
    order = np.lexsort((-g, -pairs.overlaps, ignored[g], d, rank))
    d, g, rank = d[order], g[order], rank[order]
    enough = pairs.overlaps[order] >= np.minimum(thresholds, 1 - 1e-10)[:, None]
    taken = np.full((len(thresholds), len(groups)), -1, np.int64)
    free = np.ones((len(thresholds), len(ignored)), bool)
    for part in np.split(np.arange(len(d)), np.flatnonzero(np.diff(rank)) + 1) if len(d) else []:
        each, starts = np.unique(d[part], return_index=True)
        able = enough[:, part] & free[:, g[part]]
        best = np.minimum.reduceat(np.where(able, np.arange(len(part)), len(part)), starts, axis=1)
        chosen = np.append(g[part], -1)[best]
        taken[:, each] = chosen
        t, which = np.nonzero(chosen >= 0)
        free[t, chosen[t, which]] = crowd[chosen[t, which]]
    return taken
