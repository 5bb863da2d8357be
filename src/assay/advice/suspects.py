"""Which labels look wrong, and what share of them are: the audit's model of noise (`assay.label_audit`), on what the
learner says of images that it has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.data.suspects import LIKELY
from assay.label_audit.folds import folds as folds
from assay.label_audit.judge import explain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Beliefs = NDArray[np.float32] | Floats

FOLDS = 4


@dataclass(frozen=True)
class Suspects:
    """Of one split, the likeliest first. `rate`: estimated share of wrong labels, with a 95 % interval over samples."""

    rows: Ints
    suggested: Ints
    """(rows,) the class that each looks like."""
    score: Floats
    """(rows,) the probability that the label is wrong."""
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


def find(probabilities: Beliefs, given: Ints, seed: int) -> Suspects:
    """Suspects among labels `given` (n,) from out-of-fold `probabilities` (n, k): those probably wrong."""
    if not len(given):
        return Suspects(given, given, np.zeros(0), (0.0, 0.0, 0.0))
    believed = np.where(np.bincount(given, minlength=probabilities.shape[1]) > 0, probabilities, 0.0)
    right, found = explain(believed.astype(np.float64), given, seed)
    every = np.arange(len(given))
    wrong, others = 1 - right[every, given], right.copy()
    others[every, given] = -1
    rows = np.flatnonzero(wrong >= LIKELY)
    rows = rows[np.argsort(-wrong[rows], kind="stable")].astype(np.int64)
    share = float(wrong.mean())
    rate = (share, min(found.low, share), max(found.high, share))
    return Suspects(rows, others[rows].argmax(1).astype(np.int64), wrong[rows], rate)


def judgeable(targets: Ints, fold: Ints) -> NDArray[np.bool_]:
    """(n,) False for images of a class that is in one fold alone: whoever judged them has never seen another."""
    held = np.zeros((int(targets.max()) + 1, int(fold.max()) + 1), bool)
    held[targets, fold] = True
    several: NDArray[np.bool_] = held.sum(1) > 1
    return several[targets]
