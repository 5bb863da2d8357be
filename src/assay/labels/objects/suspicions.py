"""The audit of objects on arrays: which boxes or masks are missing, not there, of another class, or badly placed.

A detector that was not trained on the images sees *places* (`places.py`); a place has a label, or none. A linear model
of the scores of a place, fitted to the labels of other images, gives the probability of each class and of nothing.

    missed     A place without a label: the noise model of the label audit (`judge.explain`), with the classes "nothing"
               and "object", says how likely that label is wrong. Detectors also see what is not there: where the
               interval of the share of wrong labels reaches down to 0, the probabilities are scaled to ½ at most.
    swapped    A label at a place, audited by its class as the label of an image is.
    spurious,  A label without support, or one that overlaps its place little, is an error of the label or of the
    moved      detector: from predictions alone the two cannot be told apart. With f, the share of the labels of its
               class that look as bad or worse (support; IoU), and f₁, that of such errors, at most s = f / f₁ of the
               labels are such errors. The rate σ has an exponential prior with the mean SELDOM, cut off at s: the
               probability is E[σ | σ ≤ s] / s, ½ at most; of a spurious label times that its place is nothing, of a
               moved one that it is an object.

The score of an image is the highest probability of its objects. Labels of crowd regions are never suspected.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from assay.labels.folds import folds
from assay.labels.judge import FOLDS, explain
from assay.labels.labels import LEAST
from assay.labels.objects.places import NEAR, THERE, Places, places
from assay.labels.posterior import Posterior
from assay.metrics.matching import Overlap
from assay.metrics.objects import Detections, Ints, Truth
from assay.training import linear_probe

Floats = NDArray[np.float64]

KINDS = ("missed", "spurious", "swapped", "moved")
MISSED, SPURIOUS, SWAPPED, MOVED = range(len(KINDS))
SEEN = 0.3
"""Probability of an object from which on a place is compared with its label."""
SELDOM = {SPURIOUS: 0.002, MOVED: 0.02}
"""Mean of the prior rate of such errors: people overlook more than they invent."""
DRAWN_AT = 0.7
"""IoU below which a box is badly placed: the density of such errors falls linearly from half of NEAR to 0 here."""
STRENGTH = 1.0
"""Inverse of the regularisation of the linear model."""
EDGE = 0.004
"""Scores nearer to 0 or 1 count as this far from it: the logit stays finite."""
FAINT = 1e-4
"""Probabilities below it are no suspicion."""


@dataclass(frozen=True)
class Suspicions:
    """m suspicions, the most probable first: at most one for each label, and for each place without one."""

    kinds: Ints
    """(m,) numbers of KINDS"""
    images: Ints
    """(m,)"""
    labels: Ints
    """(m,) the suspected label; −1 where one is missing."""
    detections: Ints
    """(m,) the detection that speaks against it; −1: that there is none does."""
    classes: Ints
    """(m,) the class that is suggested; of a spurious label its own."""
    probabilities: Floats
    """(m,)"""

    def __len__(self) -> int:
        return len(self.kinds)

    def pick(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Suspicions:
        return Suspicions(*(getattr(self, field.name)[rows] for field in fields(self)))

    def of_images(self, count: int) -> Floats:
        """(count,) the score of each image: its most probable error."""
        scores = np.zeros(count)
        np.maximum.at(scores, self.images, self.probabilities)
        return scores


def suspicions(found: Detections, truth: Truth, overlap: Overlap, classes: int, seed: int) -> Suspicions:
    """Suspicions about `truth` from detections of a model that was not trained on these images.

    None if fewer than LEAST places are seen as objects: too few to tell a detector's errors from those of labels.
    """
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):  # the same bits on any number of cores
        return _suspicions(found, truth, overlap, classes, seed)


def _suspicions(found: Detections, truth: Truth, overlap: Overlap, classes: int, seed: int) -> Suspicions:
    seen = places(found, truth, overlap, classes)
    given = np.where(seen.labels >= 0, np.append(truth.classes, classes)[seen.labels], classes)
    beliefs = believed(seen, given, classes, seed)
    sure = ~seen.doubtful & (1 - beliefs[:, classes] >= SEEN)
    if sure.sum() < LEAST:
        return _joined([])
    rows = np.flatnonzero(sure)
    parts = [
        _missed(seen, rows, beliefs, given, seed),
        _swapped(seen, rows[seen.overlaps[rows] >= THERE], beliefs, given, seed),
        _spurious(seen, truth, 1 - beliefs[:, classes]),
        _moved(seen, rows, given[rows], 1 - beliefs[rows, classes], truth),
    ]
    return strongest(_joined(parts))


def believed(seen: Places, given: Ints, classes: int, seed: int) -> Floats:
    """(p, classes + 1) probabilities of the class of each place, the last one of nothing; from other images' labels."""
    features = _logits(seen.scores).astype(np.float32)
    _, groups = np.unique(seen.images, return_inverse=True)
    fold = folds(given, groups, FOLDS, seed) if len(given) else given
    beliefs = np.zeros((len(given), classes + 1))
    beliefs[:, classes] = 1
    for number in np.unique(fold):
        inside, outside = fold == number, ~seen.doubtful & (fold != number)
        if outside.any():
            probe = linear_probe.fit(features[outside], given[outside], classes + 1, STRENGTH)
            beliefs[inside] = probe.probabilities(features[inside])
    return beliefs


def _logits(scores: Floats) -> Floats:
    cut = np.clip(scores, EDGE, 1 - EDGE)
    logits: Floats = np.log(cut / (1 - cut))
    return logits


def _missed(seen: Places, rows: Ints, beliefs: Floats, given: Ints, seed: int) -> Suspicions:
    """Places without a label, by the noise model of two classes: nothing, an object."""
    nothing = beliefs.shape[1] - 1
    objects = 1 - beliefs[rows, nothing]
    labelled = (given[rows] < nothing).astype(np.int64)
    right, found = explain(np.stack([1 - objects, objects], 1), labelled, seed)
    free = labelled == 0
    at = rows[free]
    suggested = beliefs[at, :nothing].argmax(1)
    return _of(MISSED, seen, at, np.full(len(at), -1), suggested, _claimed(right[free, 1], found))


def _swapped(seen: Places, rows: Ints, beliefs: Floats, given: Ints, seed: int) -> Suspicions:
    """Labels at a place, by the noise model of the classes that labels have."""
    there, labels = np.unique(given[rows], return_inverse=True)
    if len(rows) < LEAST or len(there) < 2:
        return _joined([])
    of_labels = beliefs[np.ix_(rows, there)] + EDGE / len(there)
    right, _ = explain(of_labels / of_labels.sum(1, keepdims=True), labels, seed)
    right[np.arange(len(rows)), labels] = 0
    return _of(SWAPPED, seen, rows, seen.labels[rows], there[right.argmax(1)], right.sum(1))


def _claimed(chances: Floats, found: Posterior) -> Floats:
    """The probabilities; at most ½, by scaling, where the interval of the share of errors reaches down to 0."""
    if found.low > 0:
        return chances
    return chances / max(1.0, 2 * float(chances.max(initial=0)))


def _spurious(seen: Places, truth: Truth, objects: Floats) -> Suspicions:
    """Labels by their support: the probability (p,) that their place is an object; 0 without a place."""
    has = np.flatnonzero(seen.labels >= 0)
    support = np.zeros(len(truth.classes))
    support[seen.labels[has]] = objects[has]
    labels = np.flatnonzero(~truth.crowd)
    worse = share_below(support[labels], truth.classes[labels])
    none = np.full(len(labels), -1)
    chances = (1 - support[labels]) * cannot_tell(worse / SELDOM[SPURIOUS])
    return Suspicions(
        np.full(len(labels), SPURIOUS), truth.images[labels], labels, none, truth.classes[labels], chances
    )


def _moved(seen: Places, rows: Ints, given: Ints, objects: Floats, truth: Truth) -> Suspicions:
    """Labels by the IoU with a place of their class; `objects` (r,): probability that the place is an object.

    `such`: share of errors with an IoU as low or lower; `density`: theirs at this IoU, divided by the mean below it.
    """
    own = seen.scores[rows].argmax(1) == given
    at = rows[own]
    worse = share_below(seen.overlaps[at], given[own])
    u = np.clip((seen.overlaps[at] - NEAR / 2) / (DRAWN_AT - NEAR / 2), 1e-9, 1)
    such, density = u * (2 - u), 2 * (1 - u) / (2 - u)
    chances = objects[own] * density * cannot_tell(worse / such / SELDOM[MOVED])
    return _of(MOVED, seen, at, seen.labels[at], given[own], chances)


def share_below(values: Floats, classes: Ints) -> Floats:
    """(m,) share of the values of its class that are as low or lower: 1 / m and more."""
    shares = np.ones(len(values))
    for k in np.unique(classes):
        of = classes == k
        shares[of] = np.searchsorted(np.sort(values[of]), values[of], "right") / of.sum()
    return shares


def cannot_tell(bound: Floats) -> Floats:
    """E[σ | σ ≤ s] / s of an exponential σ with mean m, for `bound` = s / m: ½ at 0, falling as 1 / bound.

    s is the share of labels that look like this; if all of it were errors, σ would be s.
    """
    s = np.clip(bound, 1e-3, 700)
    return np.asarray(1 / s - 1 / np.expm1(s), np.float64)


def _of(
    kind: int, seen: Places, at: Ints, labels: Ints, suggested: Ints, probabilities: Floats
) -> Suspicions:
    return Suspicions(
        np.full(len(at), kind), seen.images[at], labels, seen.leaders[at], suggested, probabilities
    )


def _joined(parts: list[Suspicions]) -> Suspicions:
    """Those that are more than FAINT, the most probable first; of equal ones by image and label."""
    none = np.zeros(0, np.int64)
    parts = [Suspicions(none, none, none, none, none, np.zeros(0)), *parts]
    columns = (np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Suspicions))
    whole = Suspicions(*columns)
    order = np.lexsort((whole.kinds, whole.labels, whole.images, -whole.probabilities))
    return whole.pick(order[whole.probabilities[order] >= FAINT])


def strongest(all_: Suspicions) -> Suspicions:
    """The first of each label, and all that have none."""
    _, first = np.unique(all_.labels, return_index=True)
    kept = np.zeros(len(all_), bool)
    kept[first] = True
    return all_.pick(kept | (all_.labels < 0))
