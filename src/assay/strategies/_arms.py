"""The standing control arm: images that are only ever asked for at random, and what they say about the others.

An image belongs to it or not by a hash of its id, so that from the labels alone one knows which of them were drawn at
random. Those are a fair test set, and trained on, they are what labels cost nothing to choose teach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates
from assay.strategies._probe import classes, fit

Ints = NDArray[np.int64]

FEWEST = 30
"""Labels of the control arm from which on the arms are compared."""
MOST = 500
"""Labels that a probe of the comparison is trained on at most: beyond that they differ too little to be told apart."""
FOLDS = 5
SEEDS = 5
RESAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """Accuracy on held-out images of the control arm, after equally many labels of each arm."""

    labels: int
    images: int
    at_random: float
    chosen: float
    low: float
    high: float
    """95 % bootstrap interval of `chosen` − `at_random`, over images and over seeds."""

    @property
    def worse(self) -> bool:
        """Whether choosing has done worse than drawing at random, beyond the noise."""
        return self.high < 0


def in_control(pool: Candidates, share: float) -> NDArray[np.bool_]:
    """(n,) the rows of the control arm; none where the pool has no draws."""
    if pool.draws is None:
        return np.zeros(len(pool.labelled), bool)
    return pool.draws < share


def compare(pool: Candidates, arm: NDArray[np.bool_]) -> Comparison | None:
    """Chosen labels against random ones; None while there are too few of either."""
    if pool.targets is None:
        return None
    known = pool.labelled & (pool.targets >= 0)
    random, chosen = np.flatnonzero(known & arm), np.flatnonzero(known & ~arm)
    if len(random) < FEWEST or len(chosen) < len(random):
        return None
    size = min(len(random) * (FOLDS - 1) // FOLDS, MOST)
    right = np.array([_trial(pool, random, chosen, size, seed) for seed in range(SEEDS)])
    differences = right[:, 1] - right[:, 0]
    low, high = np.quantile(_resampled(differences), [0.025, 0.975]).tolist()
    at_random, by_choice = right.mean(axis=(0, 2)).tolist()
    return Comparison(size, len(random), at_random, by_choice, low, high)


def _trial(pool: Candidates, random: Ints, chosen: Ints, size: int, seed: int) -> NDArray[np.float64]:
    """(2, len(random)) whether each control image is told right after labels at random, and after chosen ones."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(random))
    right = np.empty((2, len(random)))
    for fold in range(FOLDS):
        held, rest = order[fold::FOLDS], np.setdiff1d(order, order[fold::FOLDS])
        trained = (
            rng.choice(random[rest], min(size, len(rest)), replace=False),
            rng.choice(chosen, size, replace=False),
        )
        for side, rows in enumerate(trained):
            right[side, held] = _told_right(pool, rows, random[held])
    return right


def _told_right(pool: Candidates, rows: Ints, asked: Ints) -> NDArray[np.bool_]:
    assert pool.targets is not None
    probe = fit(pool.embeddings[rows], pool.targets[rows], classes(pool))
    told: NDArray[np.bool_] = (
        probe.probabilities(pool.embeddings[asked]).argmax(axis=1) == pool.targets[asked]
    )
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
