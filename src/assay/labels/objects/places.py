"""Places: what a detector sees on an image, each object once, and the label that each place has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from assay.metrics.matching import Overlap, intersection
from assay.metrics.objects import Detections, Ints, Truth

Floats = NDArray[np.float64]
SAME = 0.6
"""IoU from which on detections of any class are one place."""
THERE = 0.5
"""IoU from which on a label is at a place, whatever its class."""
NEAR = 0.2
"""IoU from which on a label of the place's own class may be a badly drawn one of it."""


@dataclass(frozen=True)
class Places:
    """p places on n images, image after image, the best of an image first."""

    images: Ints
    """(p,)"""
    leaders: Ints
    """(p,) the detection with the highest score."""
    scores: Floats
    """(p, classes) highest score of each class; 0 where the detector does not see the class."""
    labels: Ints
    """(p,) the label that the place has; −1: none."""
    overlaps: Floats
    """(p,) IoU with it; 0 without one."""
    doubtful: NDArray[np.bool_]
    """(p,) in a crowd region, or a second detection of what has a label or a place already: says nothing of labels."""

    def __len__(self) -> int:
        return len(self.images)


def places(found: Detections, truth: Truth, overlap: Overlap, classes: int) -> Places:
    """Places of the detections, and their labels.

    `overlap`: IoU of detections and labels, given by their numbers; in crowd regions the share of the detection.
    """
    parts = [_on_image(*rows, found, truth, overlap, classes) for rows in _rows(found, truth)]
    leaders, scores, labels, overlaps, doubtful = (
        np.concatenate([empty, *column]) for empty, *column in zip(_nothing(classes), *parts, strict=True)
    )
    return Places(found.images[leaders], leaders, scores, labels, overlaps, doubtful)


def _nothing(classes: int) -> tuple[NDArray[np.generic], ...]:
    none = np.zeros(0, np.int64)
    return none, np.zeros((0, classes)), none, np.zeros(0), np.zeros(0, bool)


def _rows(found: Detections, truth: Truth) -> Iterator[tuple[Ints, Ints]]:
    """Detections, best first, and labels of each image."""
    order = np.lexsort((-found.scores, found.images))
    for (a, b), (c, d) in zip(pairwise(found.offsets), pairwise(truth.offsets), strict=True):
        yield order[a:b], np.arange(c, d)


def _on_image(
    detections: Ints, objects: Ints, found: Detections, truth: Truth, overlap: Overlap, classes: int
) -> tuple[Ints, Floats, Ints, Floats, NDArray[np.bool_]]:
    together = _ious(found.boxes[detections])
    leader = _leaders(together)
    first, place = np.unique(leader, return_inverse=True)
    scores = np.zeros((len(first), classes))
    np.maximum.at(scores, (place, found.classes[detections]), found.scores[detections])
    between = _table(overlap, detections[first], objects)
    crowd = truth.crowd[objects]
    shared = np.where(crowd, 0.0, between)
    chosen = _paired(shared, scores, truth.classes[objects])
    rows = np.arange(len(first))
    overlaps = np.where(chosen >= 0, np.append(shared, np.zeros((len(first), 1)), 1)[rows, chosen], 0.0)
    free = chosen < 0
    second = np.where(free, together[first][:, first[~free]].max(1, initial=0), 0)
    taken = np.maximum(second, np.where(free, between.max(1, initial=0), 0)) >= THERE
    labels = np.where(free, -1, np.append(objects, -1)[chosen])
    return detections[first], scores, labels, overlaps, taken


def _leaders(together: Floats) -> Ints:
    """(d,) for each detection, best first, the first one that it is a place with."""
    leader = np.full(len(together), -1)
    for one in range(len(together)):
        if leader[one] < 0:
            leader[(leader < 0) & (together[one] >= SAME)] = one
            leader[one] = one
    return leader


def _ious(boxes: Floats) -> Floats:
    """(d, d) of boxes (d, 4)."""
    d = len(boxes)
    a, b = np.repeat(boxes, d, axis=0), np.tile(boxes, (d, 1))
    shared, areas = intersection(a, b), boxes[:, 2] * boxes[:, 3]
    union = np.repeat(areas, d) + np.tile(areas, d) - shared
    return (shared / np.maximum(union, 1e-9)).reshape(d, d)


def _table(overlap: Overlap, detections: Ints, objects: Ints) -> Floats:
    """(d, g) of detections (d,) and labels (g,)."""
    d, g = np.repeat(detections, len(objects)), np.tile(objects, len(detections))
    return overlap(d, g).reshape(len(detections), len(objects))


def _paired(shared: Floats, scores: Floats, given: Ints) -> Ints:
    """(p,) the label of each place, −1 for none: one to one, where IoU × score is largest in sum."""
    own = scores.argmax(1)[:, None] == given
    can = shared >= np.where(own, NEAR, THERE)
    rows, columns = linear_sum_assignment(
        np.where(can, shared * scores.max(1, initial=0)[:, None], 0.0), maximize=True
    )
    chosen = np.full(len(scores), -1)
    kept = can[rows, columns]
    chosen[rows[kept]] = columns[kept]
    return chosen
