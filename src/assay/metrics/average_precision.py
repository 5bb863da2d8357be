"""Average precision, recall and best F1 of detections as functions of image weights.

As in COCO: the mean of the precision at 101 recalls, each the highest at that recall or a higher one; of equal scores,
the earlier image comes first. An image of weight w counts as w consecutive copies: results equal those of COCOeval on a
data set with these copies. Only running sums over the sorted detections depend on the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.metrics.estimates import Floats
from assay.metrics.matching import Matched
from assay.metrics.objects import Bools, Detections, Ints, Truth, place_in_group

RECALLS = np.linspace(0.0, 1.0, 101)
"""Bitwise equal to COCO's table: some of its entries are above k/100."""
EPS = float(np.spacing(1))
CELLS = 1 << 23
"""Numbers of a running sum per block."""
WIDE = 16
"""Weightings at or above which running sums are computed row by row: numpy's column order misses the cache."""

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Ranked:
    """Detections in descending order of scores, and the objects to be found."""

    images: Ints
    """(d,) image of each detection."""
    scores: Floats
    """(d,)"""
    hits: Bools
    """(t, d) whether the detection is right at each IoU threshold."""
    counted: Bools
    """(t, d) whether the detection counts, as right or wrong."""
    wanted: Ints
    """(g,) image of each object to be found."""

    @cached_property
    def ties(self) -> Ints:
        """(d,) index of the run of equal scores on one image that contains the detection."""
        return np.cumsum(_changes(self.images) | _changes(self.scores)) - 1

    @cached_property
    def mixed(self) -> Bools:
        """(d,) whether some but not all detections of this run are right: copies of the image then alternate."""
        if not len(self.ties) or self.ties[-1] + 1 == len(self.ties):
            return np.zeros(len(self.ties), bool)
        hits, counted = (
            np.stack([np.bincount(self.ties, row) for row in rows]) for rows in (self.hits, self.counted)
        )
        mixed: Bools = np.any((hits > 0) & (hits < counted), axis=0)
        return mixed[self.ties]


def _changes(column: NDArray[Any]) -> Bools:
    """(d,) whether each entry differs from the one before."""
    return np.concatenate([np.ones(min(len(column), 1), bool), column[1:] != column[:-1]])


def rank(detections: Detections, truth: Truth, matched: Matched, classes: int) -> list[Ranked]:
    """The ranked detections of each class."""
    images, order = detections.images, np.lexsort((-detections.scores, detections.classes))
    edges = np.searchsorted(detections.classes[order], np.arange(classes + 1))
    wanted = np.flatnonzero(matched.wanted)
    wanted = wanted[np.argsort(truth.classes[wanted], kind="stable")]
    bounds = np.searchsorted(truth.classes[wanted], np.arange(classes + 1))
    return [
        _ranked(detections, images, matched, order[edges[k] : edges[k + 1]], where)
        for k in range(classes)
        for where in [truth.images[wanted[bounds[k] : bounds[k + 1]]]]
    ]


def rank_all(detections: Detections, truth: Truth, matched: Matched) -> Ranked:
    """The ranked detections of all classes together."""
    order = np.argsort(-detections.scores, kind="stable")
    return _ranked(detections, detections.images, matched, order, truth.images[matched.wanted])


def _ranked(detections: Detections, images: Ints, matched: Matched, order: Ints, wanted: Ints) -> Ranked:
    rows = matched.hits[:, order], matched.counted[:, order]
    return Ranked(images[order], detections.scores[order], *rows, wanted)


def average_precision(ranked: Ranked, weights: Array) -> tuple[Floats, Floats]:
    """(t, b) average precision and recall of one class under image weights (n, b); NaN without objects to find."""
    parts = [_average_precision(ranked, part) for part in _columns(weights, len(ranked.images))]
    precision, recall = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    return precision, recall


def precision_at_recalls(ranked: Ranked, t: int = 0) -> Floats:
    """(RECALLS,) precision at each recall, whose mean is the average precision, at one IoU threshold; for a curve."""
    places = np.flatnonzero(ranked.hits[t])
    found = np.arange(1, len(places) + 1)
    best = np.maximum.accumulate((found / np.cumsum(ranked.counted[t])[places])[::-1])[::-1]
    at = (
        np.searchsorted(found / len(ranked.wanted), RECALLS)
        if len(ranked.wanted)
        else np.full(len(RECALLS), -1)
    )
    return np.append(best, 0.0)[np.minimum(at, len(best))]


def _columns(weights: Array, events: int) -> Iterator[Array]:
    step = max(WIDE, CELLS // max(events, 1))
    for start in range(0, max(weights.shape[1], 1), step):
        yield weights[:, start : start + step]


def _average_precision(ranked: Ranked, weights: Array) -> tuple[Floats, Floats]:
    wanted = weights[ranked.wanted].sum(0, dtype=np.float64)
    of, each = _events(ranked, weights)
    hits, counted = ranked.hits[:, of], ranked.counted[:, of]
    base = running(np.add, np.where(counted[0][:, None], each, 0))
    precision, recall = np.zeros((2, len(hits), weights.shape[1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        for t in range(len(hits)):
            places = np.flatnonzero(hits[t])
            if len(places):
                total = base[places] + _beyond(counted[0], counted[t], each, places)
                precision[t], recall[t] = _area(running(np.add, each[places]), total, wanted)
    absent = wanted <= 0
    precision[:, absent] = recall[:, absent] = np.nan
    return precision, recall


def _events(ranked: Ranked, weights: Array) -> tuple[Ints, Array]:
    """(e,) detections in order, and (e, b) their weights. In mixed ties, each copy is a separate event."""
    most = int(np.ceil(weights.max(initial=1)))
    if most == 1 or not ranked.mixed.any():
        return np.arange(len(ranked.images)), weights[ranked.images]
    repeats = np.where(ranked.mixed, most, 1)
    of = np.repeat(np.arange(len(repeats)), repeats)
    copy = place_in_group(of)
    order = np.lexsort((copy, ranked.ties[of]))
    of, copy = of[order], copy[order]
    each = weights[ranked.images[of]]
    parts = ranked.mixed[of]
    each[parts] = np.clip(each[parts] - copy[parts, None], 0, 1)
    return of, each


def _beyond(base: Bools, counted: Bools, each: Array, places: Ints) -> Array:
    """(len(places), b), or (1, b) zeros: running sum of `counted` minus that of `base`, at `places`."""
    other = np.flatnonzero(base != counted)
    if not len(other):
        return np.zeros_like(each[:1])
    sums = running(np.add, np.where(counted[other][:, None], each[other], -each[other]))
    return np.concatenate([np.zeros_like(each[:1]), sums])[np.searchsorted(other, places, "right")]


def _area(found: Array, total: Array, wanted: Floats) -> tuple[Floats, Floats]:
    """Average precision and recall from running sums at the right detections, (h, b)."""
    best = running(np.maximum, (found / (total + found.dtype.type(EPS)))[::-1])[::-1]
    recall = found / wanted
    reached = np.diff(recalls_reached(recall), axis=0, prepend=np.int16(0))
    return np.einsum("hb,hb->b", best, reached, dtype=np.float64) / len(RECALLS), recall[-1]


def recalls_reached(recall: Floats) -> NDArray[np.int16]:
    """Number of RECALLS that are at most each recall."""
    last = len(RECALLS) - 1
    # − 1e-9: the product may be rounded up to an integer that the recall does not reach
    below = (np.nan_to_num(recall) * last - 1e-9).astype(np.int16)
    reached: NDArray[np.int16] = below + np.int16(1)
    reached += RECALLS.take(np.minimum(reached, last)) <= recall
    return np.minimum(reached, np.int16(len(RECALLS)))


def running(operation: np.ufunc, rows: Array) -> Array:
    """Running sum or maximum down the rows."""
    if rows.shape[1] < WIDE:
        done: Array = operation.accumulate(rows, axis=0)
        return done
    out = np.array(rows)
    for i in range(1, len(out)):
        operation(out[i - 1], out[i], out=out[i])
    return out


def best_f1(ranked: Ranked, weights: Array, t: int = 0) -> tuple[Floats, Floats]:
    """(b,) highest F1 over all score thresholds, at one IoU threshold, and (b,) that score.

    Detections of equal scores are included together. NaN without objects to find; the score is infinite if no detection
    is right.
    """
    wanted = weights[ranked.wanted].sum(0, dtype=np.float64)
    best, score = np.where(wanted > 0, 0.0, np.nan), np.full(len(wanted), np.inf)
    sums, ends = np.zeros((2, 1, len(wanted)), weights.dtype), _ends(ranked, t)
    step = max(1, CELLS // max(len(wanted), 1))
    for start in range(0, len(ranked.images), step):
        each = weights[ranked.images[start : start + step]]
        masks = (rows[t, start : start + step, None] for rows in (ranked.hits, ranked.counted))
        found, total = (
            running(np.add, np.concatenate([before, np.where(mask, each, 0)]))
            for before, mask in zip(sums, masks, strict=True)
        )
        sums = np.stack([found[-1:], total[-1:]])
        here = ends[(ends >= start) & (ends < start + len(each))]
        if len(here):
            at = here - start + 1
            with np.errstate(invalid="ignore"):
                f1 = 2 * found[at] / (total[at] + wanted)
            highest, which = f1.max(0), f1.argmax(0)
            score = np.where(highest > best, ranked.scores[here][which], score)
            best = np.maximum(best, highest)
    return best, score


def _ends(ranked: Ranked, t: int) -> Ints:
    """The last detection of each run of equal scores with a right one: the maximum of F1 is at one of these."""
    starts = np.flatnonzero(_changes(ranked.scores))
    right = np.add.reduceat(ranked.hits[t].astype(np.int64), starts) > 0 if len(starts) else starts > 0
    last: Ints = np.append(starts[1:], len(ranked.scores))[right] - 1
    return last
