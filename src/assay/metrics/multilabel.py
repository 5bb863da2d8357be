"""Metrics of several tags an image, as functions of image weights.

    map                  mean over the classes of the average precision of each: Σ (R_i − R_{i−1}) P_i over the distinct
                         probabilities, not interpolated, as in scikit-learn; COCO's AP is another one
    macro_f1, micro_f1   of the tags with a probability of at least one half: mean over the classes; of all decisions
    ece                  (Naeini et al. 2015) distance of the probabilities of single decisions from the share that is
                         true, in 15 equal bins
    log_loss             binary cross-entropy, mean over images and classes

Means over classes are over those that the test set shows. Intervals are percentiles of a bootstrap over images: the
decisions of one image are not independent. That of F1 is at least as wide as Wilson's (1927)
of all decisions, so that it does not collapse where everything is right.

Columns of predictions.parquet:

    predicted           text            what a person reads: `cat, dog`
    tag_probabilities   list<float32>   of each class of the model
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.metrics.bootstrap import bootstrapped
from assay.metrics.estimates import Estimate, Floats, f1_estimate, mean_of_defined, ratio, undefined
from assay.metrics.judged import Judged
from assay.metrics.table import OF_TASK

METRICS = OF_TASK["multilabel"]
OF_A_CLASS = ("ap", "f1")
SHOWN = 0.5
"""Probability from which on a class counts as predicted."""
BINS = 15
EPS = float(np.finfo(np.float32).eps)
"""A probability of the wrong answer of 1 costs a log-loss of 15.9, not infinity."""


def shown_at(probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n, k) which classes are predicted."""
    return probabilities >= SHOWN


@dataclass(frozen=True)
class Tagged(Judged):
    """Probabilities (n, k) of each class, and which classes the images show (n, k)."""

    METRICS: ClassVar = METRICS
    OF_A_CLASS: ClassVar = OF_A_CLASS
    BIAS: ClassVar = {"ece": 2.4}
    """As in `assay.metrics.classification`."""

    probabilities: NDArray[np.float32]
    targets: NDArray[np.bool_]
    categories: tuple[str, ...] = ()
    """Names of the classes, for `words`."""

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def classes(self) -> int:
        return int(self.targets.shape[1])

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        return shown_at(self.probabilities)

    @cached_property
    def quality(self) -> Floats:
        """F1 of the tags of each image; 1 where there are none and none was predicted."""
        hits = (self.predicted & self.targets).sum(1)
        return ratio(2 * hits, self.predicted.sum(1) + self.targets.sum(1), nothing=1.0)

    @property
    def words(self) -> list[str]:
        names = np.array(self.categories or [str(k) for k in range(self.classes)], object)
        return [", ".join(names[row]) or "nothing" for row in self.predicted]

    @property
    def content(self) -> tuple[bytes, bytes]:
        return np.ascontiguousarray(self.probabilities).tobytes(), np.ascontiguousarray(
            self.targets
        ).tobytes()

    @cached_property
    def terms(self) -> Floats:
        """(n, 3k + BINS + 1): hits, shown and predicted of each class; gaps of calibration by bin; loss."""
        p = self.probabilities.astype(np.float64)
        bins = np.clip(np.ceil(p * BINS).astype(np.int64) - 1, 0, BINS - 1)
        rows = np.repeat(np.arange(len(p)), self.classes)
        gaps = np.zeros((len(p), BINS))
        np.add.at(gaps, (rows, bins.ravel()), (p - self.targets).ravel())
        right = np.where(self.targets, p, 1 - p)
        loss = -np.log(np.clip(right, EPS, 1)).sum(1, keepdims=True)
        return np.concatenate(
            [self.predicted & self.targets, self.targets, self.predicted, gaps, loss],
            axis=1,
            dtype=np.float64,
        )

    def take(self, rows: Any) -> Tagged:
        return Tagged(self.probabilities[rows], self.targets[rows], self.categories)

    def values(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        k, sums = self.classes, self._sums(weights)
        hits, shown, said = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
        decisions = k * (np.full(1, len(self)) if weights is None else weights.sum(1, dtype=np.float64))
        each = self._f1(sums)
        return {
            "map": mean_of_defined(self._average_precisions(weights).T),
            "macro_f1": mean_of_defined(each.T),
            "micro_f1": ratio(2 * hits.sum(1), shown.sum(1) + said.sum(1)),
            "ece": ratio(np.abs(sums[:, 3 * k : 3 * k + BINS]).sum(1), decisions),
            "log_loss": ratio(sums[:, -1], decisions),
        }

    def of_classes(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        return {"ap": self._average_precisions(weights), "f1": self._f1(self._sums(weights))}

    def per_class(self, categories: Sequence[str]) -> dict[str, dict[str, Estimate]]:
        """AP and F1 of each class with their intervals; n: images that show it."""
        counts = self.targets.sum(0)
        found = bootstrapped(len(self), lambda weights: {"ap": self._average_precisions(weights)}, counts)
        return {
            name: {"ap": found["ap"][k], "f1": self._f1_of([k], int(counts[k]))}
            for k, name in enumerate(categories)
        }

    def interval(self, name: str, value: float, drawn: Floats) -> tuple[float, float]:
        low, high = super().interval(name, value, drawn)
        if name == "ece":
            return max(0.0, 2 * value - high), high
        if name in ("macro_f1", "micro_f1"):
            wide = self._f1_of(range(self.classes), len(self))
            reach = [abs(float(wide[end] or 0) - float(wide["value"] or 0)) for end in ("low", "high")]
            return max(0.0, min(low, value - reach[0])), min(1.0, max(high, value + reach[1]))
        return low, high

    def _f1_of(self, classes: Sequence[int], n: int) -> Estimate:
        """F1 of all decisions on some classes with Wilson's interval."""
        said, shown = (rows[:, list(classes)] for rows in (self.predicted, self.targets))
        hits, union = int((said & shown).sum()), int((said | shown).sum())
        return f1_estimate(hits, union, n) if shown.any() else undefined()

    def _f1(self, sums: Floats) -> Floats:
        """(b, k); NaN where no image shows the class."""
        k = self.classes
        shown = sums[:, k : 2 * k]
        return np.where(shown > 0, ratio(2 * sums[:, :k], shown + sums[:, 2 * k : 3 * k]), np.nan)

    def _sums(self, weights: NDArray[np.float32] | None) -> Floats:
        return (
            self.terms.sum(0, keepdims=True) if weights is None else weights.astype(np.float64) @ self.terms
        )

    def _average_precisions(self, weights: NDArray[np.float32] | None) -> Floats:
        """(b, k)"""
        weights = np.ones((1, len(self)), np.float32) if weights is None else weights
        columns = [
            average_precision(self.probabilities[:, k], self.targets[:, k], weights)
            for k in range(self.classes)
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((len(weights), 0))


def average_precision(
    scores: NDArray[np.float32], shown: NDArray[np.bool_], weights: NDArray[np.float32]
) -> Floats:
    """(b,) average precision of one class under image weights (b, n); NaN where no image shows it.

    Images with equal scores count together: the precision is that after the last of them.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, places = scores[order], np.flatnonzero(shown[order])
    last = np.searchsorted(-ranked, -ranked[places], side="right") - 1
    total = np.cumsum(weights[:, order], axis=1, dtype=np.float64)[:, last]
    gained = weights[:, order[places]].astype(np.float64)
    found = np.cumsum(gained, axis=1)[:, np.searchsorted(last, last, side="right") - 1]
    return ratio((gained * ratio(found, total, 0.0)).sum(1), gained.sum(1))


def judge(table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]) -> Tagged:
    """The column `tag_probabilities`, of the classes `known`, held against labels among `categories`.

    A class that the model does not know has probability 0.
    """
    place = {category: k for k, category in enumerate(categories)}
    wide = np.zeros((len(table), len(categories)), np.float32)
    wide[:, [place[category] for category in known]] = read_probabilities(table).reshape(
        len(table), len(known)
    )
    shown = np.zeros(wide.shape, bool)
    for row, label in zip(shown, labels, strict=True):
        row[[place[name] for name in json.loads(label)]] = True
    return Tagged(wide, shown, tuple(categories))


def read_probabilities(table: pa.Table) -> NDArray[np.float32]:
    """(n, k) of the column `tag_probabilities`."""
    flat = np.asarray(table["tag_probabilities"].combine_chunks().flatten(), np.float32)
    return flat.reshape(len(table), -1) if len(table) else flat.reshape(0, 0)
