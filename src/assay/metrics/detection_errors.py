"""Kinds of errors of detections at IoU .50, and the cost of each (TIDE, Bolya et al. 2020).

    classification   IoU ≥ .50 with an object of another class
    localisation     IoU with an object of its class in [.10, .50)
    both             IoU with an object of another class in [.10, .50)
    duplicate        IoU ≥ .50 with an object of its class that a detection of higher score has taken
    background       IoU < .10 with every object
    missed           an object without a right detection, a classification error or a localisation error

The cost of a kind is the gain in AP50 without its errors. For each object, the classification or localisation error of
highest score is made right, and its other ones are removed. Errors of the kinds both, duplicate and background are
removed. Missed objects are removed from the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.metrics.average_precision import average_precision, rank
from assay.metrics.bootstrap import bootstrapped
from assay.metrics.detected import Detected, columns_of
from assay.metrics.estimates import Estimate, Floats, mean_of_defined
from assay.metrics.matching import THRESHOLDS, Matched, Pairs, greedy, overlapping
from assay.metrics.objects import Bools, Detections, Ints

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(len(KINDS))
NEAR, ENOUGH = 0.1, float(THRESHOLDS[0])
"""Least IoU of a detection that is related to an object, and of one that is right."""


@dataclass(frozen=True)
class Errors:
    """The kind of error of each detection, and the missed objects."""

    kinds: Ints
    """(d,) index in KINDS; −1: right, or not counted."""
    mends: Ints
    """(d,) index of the free object that the detection would find with the right class and position; −1: none."""
    missed: Bools
    """(g,)"""

    @property
    def counts(self) -> Ints:
        """(KINDS,) number of errors of each kind."""
        wrong = np.bincount(self.kinds[self.kinds >= 0], minlength=MISSED)
        return np.append(wrong, self.missed.sum())


def errors_of(judged: Detected) -> Errors:
    """The errors of the detections."""
    truth, detections = judged.truth, judged.detections
    pairs = overlapping(detections.images, truth.images, judged.overlap(detections), NEAR)
    pairs = _of(pairs, ~truth.crowd[pairs.objects])
    same = detections.classes[pairs.detections] == truth.classes[pairs.objects]
    (right, here), (wrong, there) = (
        _closest(_of(pairs, which), len(detections.classes)) for which in (same, ~same)
    )
    kinds = np.select(
        [(right >= NEAR) & (right < ENOUGH), wrong >= ENOUGH, right >= ENOUGH, wrong >= NEAR],
        [LOCALISATION, CLASSIFICATION, DUPLICATE, BOTH],
        BACKGROUND,
    )
    kinds = np.where(judged.matched.counted[0] & ~judged.matched.hits[0], kinds, -1)
    meant = np.select([kinds == LOCALISATION, kinds == CLASSIFICATION], [here, there], -1)
    free = judged.matched.wanted & ~np.isin(np.arange(len(truth.classes)), judged.matched.objects[0])
    meant[~np.append(free, False)[meant]] = -1
    return Errors(kinds, _best_of_each(meant, detections), free & ~np.isin(np.arange(len(free)), meant))


def _of(pairs: Pairs, which: Bools) -> Pairs:
    return Pairs(pairs.detections[which], pairs.objects[which], pairs.overlaps[which])


def _closest(pairs: Pairs, n: int) -> tuple[Floats, Ints]:
    """(n,) largest overlap of each detection, and (n,) index of that object; 0 and −1 without any."""
    overlaps, objects = np.zeros(n), np.full(n, -1)
    order = np.lexsort((-pairs.objects, pairs.overlaps))  # the last assignment wins
    overlaps[pairs.detections[order]] = pairs.overlaps[order]
    objects[pairs.detections[order]] = pairs.objects[order]
    return overlaps, objects


def _best_of_each(meant: Ints, detections: Detections) -> Ints:
    """`meant`, for the detection of highest score of each object only; −1 for the others."""
    order = np.argsort(detections.scores, kind="stable")
    order = order[meant[order] >= 0]
    best = np.full(meant.max(initial=-1) + 1, -1)
    best[meant[order]] = order
    mends = np.full(len(meant), -1)
    mends[best[best >= 0]] = np.flatnonzero(best >= 0)
    return mends


def costs(judged: Detected, errors: Errors, weights: NDArray[np.floating] | None = None) -> Floats:
    """(b, KINDS) gain in AP50 without each kind of error, under image weights (b, n)."""
    columns = columns_of(judged, weights)
    now, *without = (_ap50(judged, *mended, columns) for mended in _mended(judged, errors))
    return np.stack([ap50 - now for ap50 in without], axis=1)


def _mended(judged: Detected, errors: Errors) -> Iterator[tuple[Detections, Matched]]:
    """Detections and their matching: unchanged, then without each of KINDS."""
    found, matched = judged.detections, judged.matched
    rows = Matched(matched.objects[:1], matched.hits[:1], matched.counted[:1], matched.wanted)
    yield found, rows
    for kind in range(MISSED):
        here = errors.kinds == kind
        mends = here & (errors.mends >= 0)
        classes = (
            np.where(mends, judged.truth.classes[errors.mends], found.classes)
            if mends.any()
            else found.classes
        )
        yield (
            replace(found, classes=classes),
            replace(rows, hits=rows.hits | mends, counted=rows.counted & ~(here & ~mends)),
        )
    yield found, replace(rows, wanted=rows.wanted & ~errors.missed)


def _ap50(judged: Detected, found: Detections, matched: Matched, columns: NDArray[np.floating]) -> Floats:
    ranked = rank(found, judged.truth, matched, judged.classes)
    return mean_of_defined(np.stack([average_precision(one, columns)[0][0] for one in ranked]))


def error_table(judged: Detected) -> dict[str, Estimate]:
    """Kind -> gain in AP50 without its errors, with its interval; n: number of errors."""
    errors = errors_of(judged)
    found = bootstrapped(len(judged), lambda weights: {"cost": costs(judged, errors, weights)}, errors.counts)
    return dict(zip(KINDS, found["cost"], strict=True))


def confusion(judged: Detected) -> NDArray[np.int64]:
    """(k + 1, k + 1) counts, row = class of the object, column = class found; the last of either is background.

    Of detections with a score at or above the threshold of the best F1. Right detections are counted first. Each of the
    others, in the order of scores, is paired with the free object of any class that it overlaps most, IoU ≥ .50.
    """
    truth, k = judged.truth, judged.classes
    shown = judged.shown & judged.matched.counted[0]
    right = np.flatnonzero(shown & judged.matched.hits[0])
    free = np.array(judged.matched.wanted)
    free[judged.matched.objects[0][right]] = False
    left = _by_score(judged.detections, np.flatnonzero(shown & ~judged.matched.hits[0]))
    pairs = overlapping(left.images, truth.images, judged.overlap(left), ENOUGH)
    partners = greedy(_of(pairs, free[pairs.objects]), left.images, ~free, truth.crowd, THRESHOLDS[:1])[0]
    free[partners[partners >= 0]] = False
    rows = (judged.detections.classes[right], np.append(truth.classes, k)[partners], truth.classes[free])
    columns = (judged.detections.classes[right], left.classes, np.full(int(free.sum()), k))
    cells = np.concatenate(rows) * (k + 1) + np.concatenate(columns)
    return np.bincount(cells, minlength=(k + 1) ** 2).reshape(k + 1, k + 1)


def _by_score(detections: Detections, which: Ints) -> Detections:
    """Some detections, ordered by image and score."""
    return detections.pick(which[np.lexsort((-detections.scores[which], detections.images[which]))])
