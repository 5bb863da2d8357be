"""The control arm: labels that were drawn at random, and what they say about the chosen ones.

The ids give all images of the pool one random order. After so many labels, the first so many images of that order are
the control, whoever asked for them: a random sample of the pool whatever a strategy chose, known from the labels alone,
and no image is kept from the strategy for it. They are a fair test set, and what they teach by themselves is the least
that the chosen ones have to teach.

Equally many of both would be the wrong comparison: a part of what was chosen is not what would have been chosen for so
small a budget. So this notices a strategy that fails, not one that is a
little worse than chance.
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
"""Labels a class, on average, before which no control is asked for: so few could not tell anything yet."""
FEWEST = 30
"""Labels of the control arm from which on the arms are compared."""
FOLDS = 5
SEEDS = 5
RESAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """Accuracy on the images of the control arm, each held out, after its own labels and after all chosen ones."""

    random_labels: int
    chosen_labels: int
    at_random: float
    chosen: float
    low: float
    high: float
    """95 % bootstrap interval of `chosen` − `at_random`, over images and over seeds."""

    @property
    def worse(self) -> bool:
        """Whether the chosen labels teach less than the far fewer random ones, beyond the noise."""
        return self.high < 0


@lru_cache(maxsize=1)
def in_order(pool: Candidates) -> Ints:
    """All rows in their random order; none where the pool has no draws."""
    return np.zeros(0, np.int64) if pool.draws is None else np.argsort(pool.draws, kind="stable")


def waiting(pool: Candidates) -> Ints:
    """The unlabelled rows, in their random order."""
    order = in_order(pool)
    return order[~pool.labelled[order]]


def due(pool: Candidates, share: float, labels: NDArray[np.int64]) -> Ints:
    """Size of the control arm after so many labels: `share` of those beyond BEGIN a class."""
    if not classes(pool):
        return np.zeros_like(labels)
    beyond = np.maximum(labels - BEGIN * classes(pool), 0)
    sizes: Ints = np.minimum(np.floor(share * beyond), len(in_order(pool))).astype(np.int64)
    return sizes


def control_arm(pool: Candidates, share: float) -> Ints:
    """Its rows, up to the first that has no label yet."""
    arm = in_order(pool)[: int(due(pool, share, pool.labelled.sum()))]
    return arm[: int(np.logical_and.accumulate(pool.labelled[arm]).sum())]


def owed(pool: Candidates, share: float, turns: int) -> Ints:
    """(turns,) how many of the next 1, 2, … images that are asked have to be drawn at random.

    What is lacking of the control arm is made up for at twice the pace, so that no batch is all control.
    """
    asked = 1 + np.arange(turns)
    lacking = np.concatenate([[0], np.cumsum(~pool.labelled[in_order(pool)])])
    wanted = lacking[due(pool, share, pool.labelled.sum() + asked)]
    images: Ints = np.minimum(wanted, np.floor(2 * share * asked)).astype(np.int64)
    return images


def compare(pool: Candidates, arm: Ints) -> Comparison | None:
    """Chosen labels against those of the control arm; None while there are too few of it, or fewer of the others."""
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
    return Comparison(len(random), len(chosen), float(at_random.mean()), float(by_choice.mean()), low, high)


def _held_out(pool: Candidates, targets: Ints, random: Ints, seed: int) -> Right:
    """(len(random),) whether each is told right by a probe on those of the other folds."""
    order = np.random.default_rng(seed).permutation(len(random))
    right = np.empty(len(random), bool)
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        right[held] = _told_right(pool, targets, random[np.setdiff1d(order, held)], random[held])
    return right


def _told_right(pool: Candidates, targets: Ints, rows: Ints, asked: Ints) -> Right:
    """(len(asked),) by a probe on the labels of `rows`."""
    probe = fit(pool.embeddings[rows], targets[rows], classes(pool))
    told: Right = probe.probabilities(pool.embeddings[asked]).argmax(axis=1) == targets[asked]
    return told


def _resampled(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """(RESAMPLES,) means of (seeds, images) with both drawn anew."""
    rng = np.random.default_rng(0)
    seeds, images = differences.shape
    return np.array(
        [
            differences[rng.integers(0, seeds, seeds)].mean(axis=0)[rng.integers(0, images, images)].mean()
            for _ in range(RESAMPLES)
        ]
    )
