"""Calibration of the estimated probabilities with labels that people reviewed.

Labels are drawn for review with a chance that depends on the estimated probability p alone. Their answers are
therefore a fair sample of how often labels of that p are wrong:

    logit P(wrong) = a + b logit p

The posterior of (a, b), on a grid, gives each label a measured probability, and the share of wrong labels an interval.
p is the probability of the label that was reviewed, also if it has been corrected since: the result is a function of
edits and embeddings only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.data.edits import Batches
from assay.data.suspects import MARK
from assay.labels.beliefs import Ints
from assay.labels.judge import JudgedLabels

Floats = NDArray[np.float64]

ENOUGH = 30
"""Least number of answers for a calibration."""
OFFSETS, SLOPES = np.linspace(-5, 5, 61), np.linspace(0.05, 2.0, 40)
"""Grids of a and b."""
OFFSET, SLOPE = 1.5, (1.0, 0.4)
"""Normal prior: deviation of a (mean 0); mean and deviation of b."""
NEAR = 1e-4
"""Probabilities are clipped to NEAR…1 − NEAR, so that their logit is finite."""
BINS = 400
LEVELS = 0.025, 0.975
LEAST = 0.02
"""Added to the weight of each label in the draw, so that every label can be drawn."""

WHY = re.compile(rf"{MARK}: labelled '(.*)'", re.DOTALL)


def why(given: str) -> str:
    """Text of `why` in the edit batch: it marks the answer and records the label that was reviewed."""
    return f"{MARK}: labelled '{given}'"


def drawn(probability: Floats, count: int, seed: int) -> Ints:
    """At most `count` rows to review: systematic sampling in the order of falling p, `probability` (n,).

    The chance of a row is in proportion to √(p (1 − p)) + LEAST; the root is the standard deviation of the answer.
    """
    size = np.sqrt(probability * (1 - probability)) + LEAST
    left = np.argsort(-probability, kind="stable")
    sure, count = left[:0], min(count, len(left))
    while len(left) and (large := size[left] * (count - len(sure)) >= size[left].sum()).any():
        sure, left = np.append(sure, left[large]), left[~large]
    ends, some = np.cumsum(size[left]), count - len(sure)
    points = (np.arange(some) + np.random.default_rng(seed).random()) / max(1, some) * size[left].sum()
    rows: Ints = np.append(sure, left[np.minimum(np.searchsorted(ends, points), len(left) - 1)]).astype(
        np.int64
    )
    return rows


def answers(batches: Batches) -> dict[str, tuple[str, str]]:
    """By id: (label reviewed, label given) of each image that was drawn for review; the first review counts."""
    found: dict[str, tuple[str, str]] = {}
    for _, batch in batches:
        for one in batch:
            marked = WHY.match(one.why)
            if marked and one.op == "label" and one.annotations and len(one.annotations) == 1:
                found.setdefault(one.id, (marked[1], one.annotations[0].category))
    return found


@dataclass(frozen=True)
class Calibration:
    """The posterior of (a, b)."""

    weights: NDArray[np.float64]
    """(a, b)"""
    clean: bool
    """No label reviewed was wrong; the interval of the share then begins at 0."""

    def of(self, probability: Floats) -> tuple[Floats, tuple[float, float]]:
        """(n,) measured probability for each estimated one, and a 95 % interval of their mean."""
        ends = _logit(np.array([NEAR, 1 - NEAR]))
        points = np.linspace(ends[0], ends[1], BINS)
        curves = _sigmoid(OFFSETS[:, None, None] + SLOPES[:, None] * points)
        at = np.clip(
            np.rint((_logit(probability) - ends[0]) / (points[1] - points[0])).astype(int), 0, BINS - 1
        )
        shares = (curves @ (np.bincount(at, minlength=BINS) / max(1, len(at)))).ravel()
        order = np.argsort(shares, kind="stable")
        below = np.cumsum(self.weights.ravel()[order])
        low, high = (float(shares[order][np.searchsorted(below, level)]) for level in LEVELS)
        mean = np.tensordot(self.weights, curves, 2)
        return np.interp(_logit(probability), points, mean), (0.0 if self.clean else low, high)


def calibration(probability: Floats, wrong: NDArray[np.bool_]) -> Calibration:
    """Calibration from m reviews: the estimated probability of each label (m,), and whether it was wrong (m,)."""
    a, b = OFFSETS[:, None, None], SLOPES[:, None]
    said = _sigmoid(a + b * _logit(probability))
    fits = np.log(np.where(wrong, said, 1 - said)).sum(-1)
    prior = -0.5 * ((OFFSETS[:, None] / OFFSET) ** 2 + ((SLOPES - SLOPE[0]) / SLOPE[1]) ** 2)
    weights = np.exp(fits + prior - (fits + prior).max())
    return Calibration(weights / weights.sum(), not bool(wrong.any()))


def measured(judged: JudgedLabels, rows: Ints, looked_at: Ints, answered: Ints) -> JudgedLabels:
    """`judged` with measured probabilities; unchanged with fewer than ENOUGH answers.

    `looked_at`, `answered` (m,): class of the label reviewed and of the answer, for the images `rows` (m,).
    """
    if len(rows) < ENOUGH:
        return judged
    found = calibration(judged.wrong_if(rows, looked_at), answered != looked_at)
    wrong, (low, high) = found.of(judged.wrong)
    share = float(wrong.mean())
    return replace(judged, wrong=wrong, low=min(low, share), high=max(high, share), by="measured")


def _logit(p: Floats) -> Floats:
    kept = np.clip(p, NEAR, 1 - NEAR)
    return np.asarray(np.log(kept / (1 - kept)))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
