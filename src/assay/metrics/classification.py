"""Metrics of a classifier, each with n and a 95 % interval, and paired comparisons of two.

Where the interval of a number comes from:

    accuracy, precision, recall   Wilson (1927): proportions. The percentile bootstrap would collapse to [1, 1] when 20
                                  of 20 are right; Wilson says [0.84, 1]
    F1 of a class                 Wilson too: F1 = 2J/(1 + J) with J = TP/(TP + FP + FN), a proportion of the samples
                                  that have to do with the class
    balanced accuracy, macro F1   percentile bootstrap over samples, widened to what the intervals of the classes imply
                                  (MOVER: Zou & Donner 2008), so that they do not collapse either
    log-loss                      percentile bootstrap
    ECE                           (15 equal bins, Naeini et al. 2015) bootstrap with the lower bound reflected about the
                                  value and cut at 0: ECE is biased upwards and resampling adds to it, so that the
                                  percentiles of a good model's small ruler held the truth in 0–70 % of trials; these
                                  hold it in 80–93 %. Read it with care below some 400 samples

What is not defined (precision of a class never predicted) is null with n = 0, never NaN. Numbers are rounded to six
decimals: the seventh depends on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.metrics.bootstrap import LEVELS, bootstrap_weights, two_sided
from assay.metrics.estimates import (
    Estimate,
    Floats,
    bonett_price,
    estimate,
    f1_estimate,
    mcnemar_p,
    proportion,
    rounded,
    undefined,
    wilson,
)
from assay.metrics.table import OVERALL

BINS = 15
EPS = float(np.finfo(np.float32).eps)
METRICS = tuple(OVERALL)


@dataclass(frozen=True)
class Judged:
    """Probabilities (n, k) and the right classes (n,), and what follows from them sample by sample."""

    probabilities: NDArray[np.float32]
    targets: NDArray[np.int64]

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
    def confidence(self) -> Floats:
        highest: Floats = self.probabilities.max(1).astype(np.float64)
        return highest

    @cached_property
    def losses(self) -> Floats:
        """−log of the right class's probability, which is cut at float32's epsilon as in scikit-learn."""
        chance = self.probabilities[np.arange(len(self)), self.targets].astype(np.float64)
        result: Floats = -np.log(np.clip(chance, EPS, 1.0))
        return result

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """Which of the BINS equal parts of (0, 1] the confidence falls into."""
        return np.clip(np.ceil(self.confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)

    @cached_property
    def terms(self) -> NDArray[np.float32]:
        """(n, 3k + BINS + 1): every metric is a function of the weighted sums of these columns."""
        actual, predicted = (np.eye(self.classes, dtype=bool)[c] for c in (self.targets, self.predicted))
        gaps = np.eye(BINS)[self.bins] * (self.confidence - self.correct)[:, None]
        columns = [actual & predicted, actual, predicted, gaps, self.losses[:, None]]
        return np.concatenate([c.astype(np.float32) for c in columns], axis=1)

    def take(self, rows: NDArray[Any]) -> Judged:
        return Judged(self.probabilities[rows], self.targets[rows])


def measure(judged: Judged, replicates: int, seed: int) -> dict[str, Any]:
    """METRICS, each {"value", "low", "high", "n"}. All null for no samples."""
    n = len(judged)
    if not n:
        return {name: undefined() for name in METRICS}
    values = values_of(judged.terms.sum(0, keepdims=True, dtype=np.float64), judged.classes)
    drawn = _replicate([judged], replicates, seed)[0]
    result: dict[str, Any] = {}
    for name in METRICS:
        value = float(values[name][0])
        low, high = _interval(name, value, drawn[name], judged)
        result[name] = estimate(value, low, high, n)
    return result


def per_class(judged: Judged, categories: Sequence[str]) -> dict[str, dict[str, Estimate]]:
    """Precision, recall and F1 of each category; n is what each is a proportion of."""
    hits, actual, predicted = _counts(judged)
    union = actual + predicted - hits
    return {
        name: {
            "precision": proportion(hits[k], predicted[k]),
            "recall": proportion(hits[k], actual[k]),
            # a class that the ruler does not hold cannot be measured, even when it is predicted
            "f1": f1_estimate(hits[k], union[k], actual[k]) if actual[k] else undefined(),
        }
        for k, name in enumerate(categories)
    }


def compare(challenger: Judged, champion: Judged, replicates: int, seed: int) -> dict[str, Any]:
    """Challenger − champion on the same samples: {"difference": {metric: {…, "p_value"}}, "mcnemar": {…}}.

    The interval of accuracy is Bonett & Price's (2012), which does not collapse where the two never disagree, and its
    p is McNemar's, exact; of the others both are of the paired bootstrap: the same draws for both models.
    """
    n = len(challenger)
    if not n:
        return {"difference": {name: undefined() | {"p_value": None} for name in METRICS}, "mcnemar": None}
    only_new = int((challenger.correct & ~champion.correct).sum())
    only_old = int((champion.correct & ~challenger.correct).sum())
    new, old = _replicate([challenger, champion], replicates, seed)
    values = [
        values_of(j.terms.sum(0, keepdims=True, dtype=np.float64), j.classes) for j in (challenger, champion)
    ]
    difference: dict[str, Any] = {}
    for name in METRICS:
        value = float(values[0][name][0] - values[1][name][0])
        if name == "accuracy":
            low, high = bonett_price(only_new, only_old, n)
            p = mcnemar_p(only_new, only_old)
        else:
            low, high = (float(x) for x in np.percentile(new[name] - old[name], LEVELS))
            p = two_sided(new[name] - old[name])
        difference[name] = estimate(value, low, high, n) | {"p_value": rounded(p)}
    mcnemar = {
        "only_challenger": only_new,
        "only_champion": only_old,
        "p_value": difference["accuracy"]["p_value"],
    }
    return {"difference": difference, "mcnemar": mcnemar}


def confusion(judged: Judged) -> NDArray[np.int64]:
    """(k, k) counts: row = right class, column = predicted."""
    k = judged.classes
    return np.bincount(judged.targets * k + judged.predicted, minlength=k * k).reshape(k, k)


def _counts(judged: Judged) -> tuple[Floats, Floats, Floats]:
    """(true positives, samples, predictions) of each class."""
    table = confusion(judged).astype(np.float64)
    return np.diag(table), table.sum(1), table.sum(0)


def values_of(sums: Floats, k: int) -> dict[str, Floats]:
    """METRICS of each row of summed terms, (b, 3k + BINS + 1) -> (b,) each.

    The means over classes are over those with samples; a replicate that drew none of a class leaves it out. Of weighted
    samples the sum of the weights is n.
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


def _replicate(models: Sequence[Judged], replicates: int, seed: int) -> list[dict[str, Floats]]:
    """METRICS of bootstrap replicates, (replicates,) each; all models are weighed by the same draws."""
    n = len(models[0])
    drawn: list[list[dict[str, Floats]]] = [[] for _ in models]
    for weights in bootstrap_weights(n, replicates, seed):
        for parts, judged in zip(drawn, models, strict=True):
            parts.append(values_of((weights @ judged.terms).astype(np.float64), judged.classes))
    return [{name: np.concatenate([part[name] for part in parts]) for name in METRICS} for parts in drawn]


def _interval(name: str, value: float, drawn: Floats, judged: Judged) -> tuple[float, float]:
    low, high = (float(x) for x in np.percentile(drawn, LEVELS))
    if name == "accuracy":
        return wilson(float(judged.correct.sum()), len(judged))
    if name == "ece":
        return max(0.0, 2 * value - high), high
    if name in ("balanced_accuracy", "macro_f1"):
        implied = _mover(name, value, judged)
        return min(low, implied[0]), max(high, implied[1])
    return low, high


def _mover(name: str, value: float, judged: Judged) -> tuple[float, float]:
    """95 % interval of a mean over classes from the intervals of the classes (Zou & Donner 2008)."""
    table = per_class(judged, [str(k) for k in range(judged.classes)])
    column = "recall" if name == "balanced_accuracy" else "f1"
    found = [row[column] for row in table.values() if row[column]["n"]]
    v, low, high = (np.array([float(e[key] or 0) for e in found]) for key in ("value", "low", "high"))
    below, above = (float(np.sqrt(np.sum((v - bound) ** 2))) / len(found) for bound in (low, high))
    return max(0.0, value - below), min(1.0, value + above)
