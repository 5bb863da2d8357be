"""Second looks by design, and what they say of the probabilities: from then on these are measured, not estimated.

Looks are drawn by the estimated probability p alone, so what people answer says how often labels of that p are wrong:

    logit P(wrong) = a + b logit p

with the posterior of (a, b) on a grid: it gives each label its probability and the share of wrong labels its interval.
A function of edits and embeddings alone: p is that of the label that was looked at, also if it was put right since.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.data.edits import Judgement
from assay.data.suspects import MARK
from assay.labels.beliefs import Ints
from assay.labels.judge import JudgedLabels

Floats = NDArray[np.float64]

ENOUGH = 30
"""Answers from which on probabilities are measured."""
OFFSETS, SLOPES = np.linspace(-5, 5, 61), np.linspace(0.05, 2.0, 40)
"""a and b"""
OFFSET, SLOPE = 1.5, (1.0, 0.4)
"""Prior: deviation of a; mean and deviation of b."""
NEAR = 1e-4
"""Probabilities are kept so far from 0 and 1."""
BINS = 400
LEVELS = 0.025, 0.975
LEAST = 0.02
"""Added to what a label is drawn by, so that none is out of reach."""

WHY = re.compile(rf"{MARK}: labelled '(.*)'", re.DOTALL)


def why(given: str) -> str:
    """What marks the answer in the edit batch: the label that was looked at."""
    return f"{MARK}: labelled '{given}'"


def drawn(probability: Floats, count: int, seed: int) -> Ints:
    """At most `count` rows to look at, in their order: systematic sampling along the probabilities.

    Each with a chance in proportion to √p(1 − p), the deviation of the answer: most where the answer is open.
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


def answers(batches: Iterable[tuple[str, Sequence[Judgement]]]) -> dict[str, tuple[str, str]]:
    """By image: the label that was looked at and the one that people gave, of looks that were drawn; the first look."""
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
    """None of the labels that were looked at was wrong."""

    def of(self, probability: Floats) -> tuple[Floats, tuple[float, float]]:
        """(n,) the same, measured; and a 95 % interval of their mean."""
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
    """From looks (m,): what was estimated of each label, and whether it was wrong."""
    a, b = OFFSETS[:, None, None], SLOPES[:, None]
    said = _sigmoid(a + b * _logit(probability))
    fits = np.log(np.where(wrong, said, 1 - said)).sum(-1)
    prior = -0.5 * ((OFFSETS[:, None] / OFFSET) ** 2 + ((SLOPES - SLOPE[0]) / SLOPE[1]) ** 2)
    weights = np.exp(fits + prior - (fits + prior).max())
    return Calibration(weights / weights.sum(), not bool(wrong.any()))


def measured(judged: JudgedLabels, rows: Ints, looked_at: Ints, answered: Ints) -> JudgedLabels:
    """The same with measured probabilities, if enough was looked at.

    `looked_at`, `answered` (m,): the classes that images `rows` had and were given.
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
