"""Which labels look wrong, and what share of them are: confident learning (Northcutt, Jiang & Chuang, JAIR 2021).

From out-of-fold probabilities: a label is suspect when the image looks more like another class than images of that
class do on average. What the probabilities come from sets the quality: a weak model's own mistakes look like wrong
labels, so its error rate is nearer to an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.label_audit.folds import folds as folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Beliefs = NDArray[np.float32] | Floats

FOLDS = 4
DRAWS = 2000
LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class Suspects:
    """Of one split, the likeliest first. `rate`: estimated share of wrong labels, with a 95 % interval over samples."""

    rows: Ints
    suggested: Ints
    """(rows,) the class that each looks like."""
    score: Floats
    """(rows,) how much likelier that is than the given one: difference of the probabilities."""
    rate: tuple[float, float, float]

    def __len__(self) -> int:
        return len(self.rows)

    def above(self, least: float) -> Suspects:
        """Those with at least this score."""
        n = int((self.score >= least).sum())
        return Suspects(self.rows[:n], self.suggested[:n], self.score[:n], self.rate)

    def corrected(self, given: Ints) -> Ints:
        """The labels, the suspects taken for what they look like."""
        labels = given.copy()
        labels[self.rows] = self.suggested
        return labels


def find(probabilities: Beliefs, given: Ints, rng: np.random.Generator) -> Suspects:
    """Suspects among labels `given` (n,) from out-of-fold `probabilities` (n, k)."""
    n, classes = probabilities.shape
    counted = confident(probabilities, given)
    # right, wrong and uncounted of each class: all that the rate is made of
    verdict = np.where(counted == given, 0, np.where(counted < classes, 1, 2))
    cells = np.bincount(given * 3 + verdict, minlength=classes * 3)
    labels = np.bincount(given, minlength=classes)
    draws = rng.multinomial(n, cells / n, DRAWS).reshape(DRAWS, classes, 3)
    low, high = np.percentile(_rate(draws, labels), LEVELS)
    value = float(_rate(cells.reshape(1, classes, 3), labels)[0])

    score = probabilities.max(1) - probabilities[np.arange(n), given]
    rows = np.flatnonzero((counted != given) & (counted < classes) & (score > 0))
    rows = rows[np.argsort(-score[rows], kind="stable")].astype(np.int64)
    suggested = probabilities[rows].argmax(1).astype(np.int64)
    return Suspects(rows, suggested, score[rows], (value, min(float(low), value), max(float(high), value)))


def confident(probabilities: Beliefs, given: Ints) -> Ints:
    """(n,) the class that each image is confidently of; `k` where it is confidently of none.

    The threshold of a class is the mean probability of it among the images labelled so. A class nobody has: never.
    """
    n, classes = probabilities.shape
    counts = np.bincount(given, minlength=classes)
    own = np.bincount(given, probabilities[np.arange(n), given], minlength=classes)
    threshold = np.where(counts > 0, own / np.maximum(counts, 1), np.inf)
    above = np.where(probabilities >= threshold, probabilities, -1.0)
    best: Ints = np.where(above.max(1) >= 0, above.argmax(1), classes).astype(np.int64)
    return best


def _rate(cells: NDArray[np.int64], labels: Ints) -> Floats:
    """(draws,) off-diagonal mass of the joint of given and right classes, its rows scaled to the labels there are."""
    total = cells[:, :, :2].sum(2).astype(float)
    share = np.divide(cells[:, :, 1], total, out=np.zeros_like(total), where=total > 0)
    rate: Floats = share @ labels / labels.sum()
    return rate


def judgeable(targets: Ints, fold: Ints) -> NDArray[np.bool_]:
    """(n,) False for images of a class that is in one fold alone: whoever judged them has never seen another."""
    held = np.zeros((int(targets.max()) + 1, int(fold.max()) + 1), bool)
    held[targets, fold] = True
    several: NDArray[np.bool_] = held.sum(1) > 1
    return several[targets]
