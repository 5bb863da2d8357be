"""Detections matched to the truth as COCOeval does: once for each image, class and IoU threshold.

In the order of scores, each detection takes the object that it overlaps most among those still free; of equal overlaps
the last. One that can only take a crowd region, or an object outside the range of sizes, counts neither for nor
against; nor does one that takes nothing and is itself outside the range. A crowd region may be taken any number of
times.
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
"""IoU from which on a detection counts as right."""
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of the area in pixels, both ends included."""
PAIRS = 1 << 20
"""Pairs of a detection and an object whose overlaps are in memory at a time."""

Overlap = Callable[[Ints, Ints], Floats]
"""IoU (p,) of detections and objects, given by their numbers (p,) each."""


@dataclass(frozen=True)
class Pairs:
    """Detections and objects of one class and image that overlap enough to be matched at all."""

    detections: Ints
    objects: Ints
    overlaps: Floats


@dataclass(frozen=True)
class Matched:
    """What every detection came to, of one range of sizes."""

    objects: NDArray[np.int64]
    """(t, d) the object that the detection takes at each threshold; −1: none."""
    hits: Bools
    """(t, d) whether it is right."""
    counted: Bools
    """(t, d) whether it counts at all: for or against."""
    wanted: Bools
    """(g,) whether the object is one to be found."""


def box_overlap(detections: Detections, truth: Truth) -> Overlap:
    """IoU of boxes; with a crowd region the intersection over the detection's area."""
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
    """Pairs with overlap ≥ least among the detections and the objects of equal group; both groups sorted."""
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
    """Detections in blocks of at most about PAIRS pairs; at least one block."""
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
    """Detections (`best`) against objects (`by_class`), given their pairs."""
    low, high = SIZES[size]
    ignored = truth.crowd | (truth.areas < low) | (truth.areas > high)
    outside = (detections.areas < low) | (detections.areas > high)
    taken = greedy(pairs, detections.groups(classes), ignored, truth.crowd, thresholds)
    matched = taken >= 0
    aside = np.where(matched, np.append(ignored, False)[taken], outside)
    return Matched(taken, matched & ~aside, ~aside, ~ignored)


def greedy(pairs: Pairs, groups: Ints, ignored: Bools, crowd: Bools, thresholds: Floats) -> NDArray[np.int64]:
    """(t, d) the object that each detection takes, −1 for none; detections in the order of groups and scores.

    Detections of one rank, each the r-th of its group, take different objects: they are matched at once.
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
