"""The control arm: labels drawn at random, with which the labels of a strategy are compared.

A hash of the ids puts all images of the pool in one random order. The first m images of that order are the control
arm, whether or not the strategy chose them too: they are a random sample of the pool, they are known from the labels
alone, and no image is reserved for them. They serve as test set. Compared are probes on the labels of the arm (out of
fold) and a probe on all other labels, the chosen ones.

The chosen labels are not cut down to the size of the arm: a part of a choice is not the choice for a smaller budget.
The comparison therefore detects a strategy that fails, not one that is slightly worse than random.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates
from assay.strategies._probe import classes, fit

Ints = NDArray[np.int64]
Right = NDArray[np.bool_]

BEGIN = 10
"""Mean labels a class up to which no control is drawn: fewer labels do not separate the arms."""
FEWEST = 30
"""Least number of labels in the control arm for a comparison."""
FOLDS = 5
SEEDS = 5
RESAMPLES = 1000


@dataclass(frozen=True)
class ArmComparison:
    """Accuracy on the control arm: of probes on the arm itself (out of fold), and of a probe on the other labels."""

    random_labels: int
    chosen_labels: int
    at_random: float
    chosen: float
    low: float
    high: float
    """95 % bootstrap interval of `chosen` − `at_random`, over images and over seeds."""

    @property
    def worse(self) -> bool:
        """Whether the chosen labels give a significantly lower accuracy than the far fewer random ones."""
        return self.high < 0


@lru_cache(maxsize=1)
def in_order(pool: Candidates) -> Ints:
    """All rows in their random order; empty if the pool has no draws."""
    return np.zeros(0, np.int64) if pool.draws is None else np.argsort(pool.draws, kind="stable")


def waiting(pool: Candidates) -> Ints:
    """The unlabelled rows in random order."""
    order = in_order(pool)
    return order[~pool.labelled[order]]


def due(pool: Candidates, share: float, labels: NDArray[np.int64]) -> Ints:
    """Size of the control arm for each number of `labels`: `share` of the labels beyond BEGIN a class."""
    if not classes(pool):
        return np.zeros_like(labels)
    beyond = np.maximum(labels - BEGIN * classes(pool), 0)
    sizes: Ints = np.minimum(np.floor(share * beyond), len(in_order(pool))).astype(np.int64)
    return sizes


def control_arm(pool: Candidates, share: float) -> Ints:
    """Rows of the control arm, in random order, up to the first without a label."""
    arm = in_order(pool)[: int(due(pool, share, pool.labelled.sum()))]
    return arm[: int(np.logical_and.accumulate(pool.labelled[arm]).sum())]


def owed(pool: Candidates, share: float, turns: int) -> Ints:
    """(turns,) how many of the next 1, 2, … queued images must be drawn at random.

    A control arm that is too small grows at most at twice `share`, so that no batch is all control.
    """
    asked = 1 + np.arange(turns)
    lacking = np.concatenate([[0], np.cumsum(~pool.labelled[in_order(pool)])])
    wanted = lacking[due(pool, share, pool.labelled.sum() + asked)]
    images: Ints = np.minimum(wanted, np.floor(2 * share * asked)).astype(np.int64)
    return images


def compare(pool: Candidates, arm: Ints) -> ArmComparison | None:
    """Comparison of the chosen labels with those of the control arm.

    None with fewer than FEWEST labels in the arm, or with fewer chosen labels than that.
    """
    if pool.targets is None:
        return None
    known = np.flatnonzero(pool.labelled & (pool.targets >= 0))
    random, chosen = np.intersect1d(known, arm), np.setdiff1d(known, arm)
    if len(random) < FEWEST or len(chosen) < len(random):
        return None
    by_choice = _told_right(pool, pool.targets, chosen, random)
    at_random = np.array([_held_out(pool, pool.targets, random, seed) for seed in range(SEEDS)])
    differences = by_choice.astype(np.float64) - at_random
    low, high = np.quantile(_resampled(differences), [0.025, 0.975]).tolist()
    return ArmComparison(
        len(random), len(chosen), float(at_random.mean()), float(by_choice.mean()), low, high
    )


def _held_out(pool: Candidates, targets: Ints, random: Ints, seed: int) -> Right:
    """(len(random),) whether a probe on the other folds predicts each right."""
    order = np.random.default_rng(seed).permutation(len(random))
    right = np.empty(len(random), bool)
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        right[held] = _told_right(pool, targets, random[np.setdiff1d(order, held)], random[held])
    return right


def _told_right(pool: Candidates, targets: Ints, rows: Ints, asked: Ints) -> Right:
    """(len(asked),) whether a probe on the labels of `rows` predicts each right."""
    probe = fit(pool.embeddings[rows], targets[rows], classes(pool))
    told: Right = probe.probabilities(pool.embeddings[asked]).argmax(axis=1) == targets[asked]
    return told


def _resampled(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """(RESAMPLES,) bootstrap means of `differences` (seeds, images), resampled over both axes."""
    rng = np.random.default_rng(0)
    seeds, images = differences.shape
    return np.array(
        [
            differences[rng.integers(0, seeds, seeds)].mean(axis=0)[rng.integers(0, images, images)].mean()
            for _ in range(RESAMPLES)
        ]
    )
