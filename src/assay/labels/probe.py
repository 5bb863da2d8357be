"""Class probabilities and label errors from a probe: multinomial logistic regression on the stored embeddings.

Selection uses it in place of the network: it takes seconds, and it is fitted to the labels of this run rather than the
last one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.labels.beliefs import STRENGTH
from assay.training import linear_probe

DECIMALS = 6
"""Results are rounded, so that ties are the same on every machine."""

Floats = NDArray[np.float32]


def suspicion(
    vectors: Floats, labels: Sequence[str], groups: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """(n,) the probability that each label is wrong, as in `assay audit`; 0 with fewer than two classes."""
    from assay.labels.judge import judge

    names, given = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    if len(names) < 2:
        return np.zeros(len(given))
    return np.round(judge(vectors, given.astype(np.int64), groups, len(names), seed).wrong, DECIMALS)


def beliefs(vectors: Floats, given: NDArray[np.int64], others: Floats, classes: int) -> NDArray[np.float32]:
    """(m, classes) probabilities of `others` (m, d) from a probe on `vectors` (n, d) and classes `given` (n,)."""
    return np.round(linear_probe.fit(vectors, given, classes, STRENGTH).probabilities(others), DECIMALS)
