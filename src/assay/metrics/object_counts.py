"""How many objects an image shows, expected from the scores of its detections, calibrated on labelled images.

A detector's scores rank; their sum is no number of objects. Of each class the share of right detections (IoU .50) at a
score is an isotonic function of it (B. Zadrozny & C. Elkan: Transforming Classifier Scores into Accurate Multiclass
Probability Estimates. KDD 2002). Objects that no detection finds are added in proportion: on the labelled images as
many are expected as there are. Of a class without a right detection, their mean number is expected on each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.metrics.bootstrap import REPLICATES, bootstrap_weights, percentiles
from assay.metrics.detected import Detected
from assay.metrics.estimates import Estimate, Floats, estimate, ratio, undefined
from assay.metrics.objects import Detections

LEAST = 10
"""Labelled images from which on counts are calibrated: with fewer the scores are taken as they are."""


@dataclass(frozen=True)
class ObjectCounts:
    """Objects that a detection stands for, by class and score."""

    scores: Sequence[Floats]
    """Of each class the scores at the knots, ascending; none: what is found says nothing about the class."""
    stands_for: Sequence[Floats]
    """Of each class the number of objects at the knots; linear between them."""
    mean: Floats
    """(classes,) objects an image, of classes without knots."""

    def of(self, found: Detections) -> Floats:
        """(n, classes) objects to be expected on each image."""
        counts = np.tile(
            np.where([len(knots) == 0 for knots in self.scores], self.mean, 0.0), (len(found), 1)
        )
        for k, (knots, objects) in enumerate(zip(self.scores, self.stands_for, strict=True)):
            if len(knots):
                of_class = found.classes == k
                each = np.interp(found.scores[of_class], knots, objects)
                counts[:, k] = np.bincount(found.images[of_class], each, len(found))
        return counts


def uncalibrated(classes: int) -> ObjectCounts:
    """Scores taken as probabilities."""
    whole = [np.array([0.0, 1.0])] * classes
    return ObjectCounts(whole, whole, np.zeros(classes))


def calibrate(judged: Detected) -> ObjectCounts:
    """From labelled images that the model was not trained on; as they are, scores of fewer than LEAST."""
    if len(judged) < LEAST:
        return uncalibrated(judged.classes)
    there, counted = objects_on(judged), judged.matched.counted[0]
    curves = []
    for k in range(judged.classes):
        of_class = counted & (judged.detections.classes == k)
        right = judged.matched.hits[0, of_class]
        curves.append(_curve(judged.detections.scores[of_class], right, there[:, k].sum()))
    scores, stands_for = ([curve[part] for curve in curves] for part in (0, 1))
    return ObjectCounts(scores, stands_for, there.mean(0))


def _curve(scores: Floats, right: NDArray[np.bool_], objects: float) -> tuple[Floats, Floats]:
    """Knots: scores, and the number of objects for which a detection of that score stands."""
    from sklearn.isotonic import IsotonicRegression

    if not right.any():
        return np.zeros(0), np.zeros(0)
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, right)
    return fitted.X_thresholds_, fitted.y_thresholds_ * objects / right.sum()


def objects_on(judged: Detected) -> Floats:
    """(n, classes) annotated objects on each image, without crowds."""
    wanted = judged.matched.wanted
    cells = judged.truth.images[wanted] * judged.classes + judged.truth.classes[wanted]
    found = np.bincount(cells, minlength=len(judged) * judged.classes).reshape(len(judged), judged.classes)
    return found.astype(np.float64)


def found_per_expected(judged: Detected, seed: int) -> Estimate:
    """Objects that are there per object expected, each image by the calibration of the other half of the images.

    With its 95 % bootstrap interval over images; no value with fewer than twice LEAST images.
    """
    n = len(judged)
    if n < 2 * LEAST:
        return undefined()
    half = np.random.default_rng([seed, n]).permutation(n) % 2
    there, expected = objects_on(judged).sum(1), np.zeros(n)
    for part in (0, 1):
        expected[half == part] = (
            calibrate(judged.take(half != part)).of(judged.take(half == part).detections).sum(1)
        )
    drawn = np.concatenate([ratio(w @ there, w @ expected) for w in bootstrap_weights(n, REPLICATES, seed)])
    value = float(ratio(there.sum(), expected.sum()))
    return estimate(value, *percentiles(value, drawn), n)
