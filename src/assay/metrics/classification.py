"""Metrics of a classifier, each with n and a 95 % interval, and paired comparisons of two.

Methods of the intervals:

    accuracy, precision, recall   Wilson (1927): proportions. With 20 of 20 right, the percentile bootstrap collapses
                                  to [1, 1]; Wilson's interval is [0.84, 1]
    F1 of a class                 Wilson: F1 = 2J/(1 + J) with J = TP/(TP + FP + FN), a proportion of the samples of
                                  the class or predicted as it
    balanced accuracy, macro F1   percentile bootstrap over samples, widened to the interval that follows from those of
                                  the classes (MOVER: Zou & Donner 2008), so that it does not collapse either
    log-loss                      percentile bootstrap
    ECE                           (15 equal bins, Naeini et al. 2015) bootstrap with the lower bound reflected about the
                                  value and clipped at 0. ECE is biased upwards, and resampling adds to the bias: for a
                                  good model and a small test set, percentiles cover the true value in 0–70 % of trials,
                                  these intervals in 80–93 %. Interpret it with care below about 400 samples

An undefined metric (precision of a class that is never predicted) is null with n = 0, never NaN. Numbers are rounded to
six decimals, as the seventh depends on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.metrics.bootstrap import LEVELS
from assay.metrics.estimates import (
    Estimate,
    Floats,
    f1_estimate,
    proportion,
    undefined,
    wilson,
)
from assay.metrics.judged import Judged
from assay.metrics.table import OF_TASK

BINS = 15
EPS = float(np.finfo(np.float32).eps)
METRICS = OF_TASK["classification"]
OF_A_CLASS = ("recall", "f1")


@dataclass(frozen=True)
class Classified(Judged):
    """Probabilities (n, k) and the right classes (n,), with the terms of the metrics sample by sample."""

    METRICS: ClassVar = METRICS
    OF_A_CLASS: ClassVar = OF_A_CLASS
    SHARE_RIGHT: ClassVar = "accuracy"
    BIAS: ClassVar = {"ece": 2.4}
    """ECE is a sum of absolute values, so noise increases it, and the noise of the bootstrap increases it again. For a
    well calibrated model the first increase is 2.4 times the second: E|x + e| − E|x| for normal x and e."""

    probabilities: NDArray[np.float32]
    targets: NDArray[np.int64]
    categories: tuple[str, ...] = ()
    """Names of the classes, for `words`."""

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def classes(self) -> int:
        return int(self.probabilities.shape[1])

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        best: NDArray[np.int64] = self.probabilities.argmax(1)
        return best

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = self.predicted == self.targets
        return right

    @cached_property
    def quality(self) -> Floats:
        """(n,) 1 if the most probable class is right, else 0."""
        return self.correct.astype(np.float64)

    @property
    def words(self) -> list[str]:
        names = self.categories or tuple(str(k) for k in range(self.classes))
        return [names[k] for k in self.predicted.tolist()]

    @property
    def content(self) -> tuple[bytes, bytes]:
        return np.ascontiguousarray(self.probabilities).tobytes(), self.targets.tobytes()

    @cached_property
    def confidence(self) -> Floats:
        highest: Floats = self.probabilities.max(1).astype(np.float64)
        return highest

    @cached_property
    def losses(self) -> Floats:
        """(n,) −log of the probability of the right class, clipped at float32's epsilon as in scikit-learn."""
        chance = self.probabilities[np.arange(len(self)), self.targets].astype(np.float64)
        result: Floats = -np.log(np.clip(chance, EPS, 1.0))
        return result

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """(n,) index of the confidence among the BINS equal bins of (0, 1]."""
        return np.clip(np.ceil(self.confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)

    @cached_property
    def terms(self) -> NDArray[np.float32]:
        """(n, 3k + BINS + 1): every metric is a function of the weighted sums of these columns."""
        actual, predicted = (np.eye(self.classes, dtype=bool)[c] for c in (self.targets, self.predicted))
        gaps = np.eye(BINS)[self.bins] * (self.confidence - self.correct)[:, None]
        columns = [actual & predicted, actual, predicted, gaps, self.losses[:, None]]
        return np.concatenate([c.astype(np.float32) for c in columns], axis=1)

    def take(self, rows: Any) -> Classified:
        return Classified(self.probabilities[rows], self.targets[rows], self.categories)

    def values(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        return values_of(self._sums(weights), self.classes)

    def of_classes(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        sums, k = self._sums(weights), self.classes
        hits, actual, predicted = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "recall": hits / actual,
                "f1": np.where(actual > 0, 2 * hits / (actual + predicted), np.nan),
            }

    def _sums(self, weights: NDArray[np.float32] | None) -> Floats:
        if weights is None:
            plain: Floats = self.terms.sum(0, keepdims=True, dtype=np.float64)
            return plain
        return (weights @ self.terms).astype(np.float64)

    def per_class(self, categories: Sequence[str]) -> dict[str, dict[str, Estimate]]:
        return per_class(self, categories)

    def interval(self, name: str, value: float, drawn: Floats) -> tuple[float, float]:
        low, high = (float(x) for x in np.percentile(drawn, LEVELS))
        if name == "accuracy":
            return wilson(float(self.correct.sum()), len(self))
        if name == "ece":
            return max(0.0, 2 * value - high), high
        if name in ("balanced_accuracy", "macro_f1"):
            implied = _mover(name, value, self)
            return min(low, implied[0]), max(high, implied[1])
        return low, high

    def floors(self) -> tuple[dict[str, float], dict[str, Floats]]:
        """2/(n + 2)² for a proportion of n samples: Bonett & Price add one sample to each kind of discordance.

        For a mean over classes, the variance of the mean of such proportions. No floor for log-loss and ECE, which
        differ whenever the probabilities do.
        """
        counts = np.bincount(self.targets, minlength=self.classes)
        each, there = 2 / (counts + 2.0) ** 2, counts > 0
        mean = float(each[there].sum()) / max(int(there.sum()), 1) ** 2
        overall = {"accuracy": 2 / (len(self) + 2.0) ** 2, "balanced_accuracy": mean, "macro_f1": mean}
        return overall, dict.fromkeys(OF_A_CLASS, each)


def judge(
    table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]
) -> Classified:
    """Compare the column `probabilities`, of the classes `known`, with labels among `categories`.

    A class that is not in `known` has probability 0.
    """
    place = {category: k for k, category in enumerate(categories)}
    flat = np.asarray(table["probabilities"].combine_chunks().flatten(), np.float32)
    wide = np.zeros((len(table), len(categories)), np.float32)
    wide[:, [place[category] for category in known]] = flat.reshape(len(table), len(known))
    wanted = np.array([place[label] for label in labels], np.int64)
    return Classified(wide, wanted, tuple(categories))


def per_class(judged: Classified, categories: Sequence[str]) -> dict[str, dict[str, Estimate]]:
    """Precision, recall and F1 of each category; n: number of predictions, of samples, and of samples."""
    hits, actual, predicted = _counts(judged)
    union = actual + predicted - hits
    return {
        name: {
            "precision": proportion(hits[k], predicted[k]),
            "recall": proportion(hits[k], actual[k]),
            # a class without test samples cannot be measured, even if it is predicted
            "f1": f1_estimate(hits[k], union[k], actual[k]) if actual[k] else undefined(),
        }
        for k, name in enumerate(categories)
    }


def confusion(judged: Classified) -> NDArray[np.int64]:
    """(k, k) counts: row = right class, column = predicted."""
    k = judged.classes
    return np.bincount(judged.targets * k + judged.predicted, minlength=k * k).reshape(k, k)


def _counts(judged: Classified) -> tuple[Floats, Floats, Floats]:
    """(true positives, samples, predictions) of each class."""
    table = confusion(judged).astype(np.float64)
    return np.diag(table), table.sum(1), table.sum(0)


def values_of(sums: Floats, k: int) -> dict[str, Floats]:
    """METRICS of each row of summed terms, (b, 3k + BINS + 1) -> (b,) each.

    Means over classes omit classes without samples, also in a replicate. With weights, n is their sum.
    """
    hits, actual, predicted = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
    n, there = actual.sum(1), actual > 0
    recall = np.divide(hits, actual, out=np.zeros_like(hits), where=there)
    f1 = np.divide(2 * hits, actual + predicted, out=np.zeros_like(hits), where=there)
    return {
        "accuracy": hits.sum(1) / n,
        "balanced_accuracy": recall.sum(1) / there.sum(1),
        "macro_f1": f1.sum(1) / there.sum(1),
        "ece": np.abs(sums[:, 3 * k : 3 * k + BINS]).sum(1) / n,
        "log_loss": sums[:, -1] / n,
    }


def _mover(name: str, value: float, judged: Classified) -> tuple[float, float]:
    """95 % interval of a mean over classes from the intervals of the classes (Zou & Donner 2008)."""
    table = per_class(judged, [str(k) for k in range(judged.classes)])
    column = "recall" if name == "balanced_accuracy" else "f1"
    found = [row[column] for row in table.values() if row[column]["n"]]
    v, low, high = (np.array([float(e[key] or 0) for e in found]) for key in ("value", "low", "high"))
    below, above = (float(np.sqrt(np.sum((v - bound) ** 2))) / len(found) for bound in (low, high))
    return max(0.0, value - below), min(1.0, value + above)
