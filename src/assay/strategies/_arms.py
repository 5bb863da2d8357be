"""The standing control arm: images that are only ever asked for at random, and what they say about the others.

An image belongs to it or not by a hash of its id, so that from the labels alone one knows which of them were drawn at
random. Those are a fair test set, and what they teach by themselves is the least that the chosen ones have to teach.

Equally many of both would be the wrong comparison: a part of what was chosen is not what would have been chosen for so
small a budget. In a replay of Fashion-MNIST 72 of 910 labels that `auto` had chosen taught 19 points less than 72 at
random, and all of them more than equally many at random. So this notices a strategy that fails, not one that is a
little worse than chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates
from assay.strategies._probe import classes, fit

Ints = NDArray[np.int64]
Right = NDArray[np.bool_]

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


def in_control(pool: Candidates, share: float) -> NDArray[np.bool_]:
    """(n,) the rows of the control arm; none where the pool has no draws."""
    if pool.draws is None:
        return np.zeros(len(pool.labelled), bool)
    return pool.draws < share


def compare(pool: Candidates, arm: NDArray[np.bool_]) -> Comparison | None:
    """Chosen labels against random ones; None while there are too few of the one, or fewer of the other."""
    if pool.targets is None:
        return None
    known = pool.labelled & (pool.targets >= 0)
    random, chosen = np.flatnonzero(known & arm), np.flatnonzero(known & ~arm)
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
