"""Which labels are likely to be wrong, and what a cheap model makes of images nobody has labelled.

A probe (multinomial logistic regression on the stored embeddings) stands in for the network: it takes seconds and
sees whatever the labels of this very step can teach.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.labels.beliefs import STRENGTH
from assay.training import linear_probe

DECIMALS = 6
"""Rounded, so that ties are ties on every machine."""

Floats = NDArray[np.float32]


def suspicion(
    vectors: Floats, labels: Sequence[str], groups: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """(n,) the probability that each label is wrong, as `assay audit` has it."""
    from assay.labels.judge import judge

    names, given = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    if len(names) < 2:
        return np.zeros(len(given))
    return np.round(judge(vectors, given.astype(np.int64), groups, len(names), seed).wrong, DECIMALS)


def beliefs(vectors: Floats, given: NDArray[np.int64], others: Floats, classes: int) -> NDArray[np.float32]:
    """(m, classes) probabilities of `others` (m, d) from a probe on `vectors` (n, d) and classes `given` (n,)."""
    return np.round(linear_probe.fit(vectors, given, classes, STRENGTH).probabilities(others), DECIMALS)
