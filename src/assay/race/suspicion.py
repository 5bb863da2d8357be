"""Which labels are likely to be wrong, and what a cheap model makes of images nobody has labelled.

A probe (multinomial logistic regression on the stored embeddings) stands in for the network: it takes seconds and
sees whatever the labels of this very step can teach.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay import linear_probe

FOLDS = 5
STRENGTH = 0.005
"""Inverse of the regularisation (scikit-learn's C). Strong, as the labels are not to be trusted."""
DECIMALS = 6
"""Rounded, so that ties are ties on every machine."""

Floats = NDArray[np.float32]


def suspicion(vectors: Floats, labels: Sequence[str], seed: int) -> NDArray[np.float64]:
    """(n,) in 0…1, how little a probe that has not seen the image believes its label: 1 − self-confidence.

    Out-of-fold probabilities and their ranking as in C. Northcutt, L. Jiang, I. Chuang: Confident Learning. JAIR 2021.
    """
    names, given = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    folds = stratified(given, FOLDS, np.random.default_rng(seed))
    believed = np.zeros(len(given))
    for fold in range(FOLDS):
        held, rest = folds == fold, folds != fold
        if held.any():
            chances = beliefs(vectors[rest], given[rest], vectors[held], len(names))
            believed[held] = chances[np.arange(held.sum()), given[held]]
    return 1 - np.round(believed, DECIMALS)


def stratified(given: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) the fold of each row; those of a class are dealt out in turn, in random order."""
    order = rng.permutation(len(given))
    order = order[np.argsort(given[order], kind="stable")]
    dealt = np.empty(len(given), np.int64)
    dealt[order] = np.arange(len(given)) % folds
    return dealt


def beliefs(vectors: Floats, given: NDArray[np.int64], others: Floats, classes: int) -> NDArray[np.float32]:
    """(m, classes) probabilities of `others` (m, d) from a probe on `vectors` (n, d) and classes `given` (n,)."""
    return np.round(linear_probe.fit(vectors, given, classes, STRENGTH).probabilities(others), DECIMALS)
