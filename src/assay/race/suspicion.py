"""Which labels are likely to be wrong, and what a cheap model makes of images nobody has labelled.

A probe (multinomial logistic regression on the stored embeddings) stands in for the network: it takes seconds and
sees whatever the labels of this very step can teach.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay import linear_probe
from assay.label_audit.beliefs import STRENGTH
from assay.label_audit.folds import folds

FOLDS = 5
DECIMALS = 6
"""Rounded, so that ties are ties on every machine."""

Floats = NDArray[np.float32]


def suspicion(
    vectors: Floats, labels: Sequence[str], groups: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """(n,) in 0…1, how little a probe that has not seen the image or its group believes its label.

    1 − self-confidence, out of fold: C. Northcutt, L. Jiang, I. Chuang: Confident Learning. JAIR 2021.
    """
    names, given = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    fold = folds(given, groups, FOLDS, seed)
    believed = np.zeros(len(given))
    for number in range(FOLDS):
        held, rest = fold == number, fold != number
        if held.any():
            chances = beliefs(vectors[rest], given[rest], vectors[held], len(names))
            believed[held] = chances[np.arange(held.sum()), given[held]]
    return 1 - np.round(believed, DECIMALS)


def beliefs(vectors: Floats, given: NDArray[np.int64], others: Floats, classes: int) -> NDArray[np.float32]:
    """(m, classes) probabilities of `others` (m, d) from a probe on `vectors` (n, d) and classes `given` (n,)."""
    return np.round(linear_probe.fit(vectors, given, classes, STRENGTH).probabilities(others), DECIMALS)
