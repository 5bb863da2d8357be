"""The bootstrap over samples. A replicate is a row of weights: the number of draws of each sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from assay.metrics.estimates import Estimate, Floats, estimate, undefined

LEVELS = (2.5, 97.5)
"""Percentiles of a 95 % interval."""
REPLICATES = 1000
"""Number of replicates for the intervals of single classes."""
BLOCK = 1 << 22
"""Weights per block: 16 MB."""


def bootstrap_weights(n: int, replicates: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Number of draws of each sample, in blocks (b, n); n draws with replacement per row."""
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // n)
    for start in range(0, replicates, rows):
        b = min(rows, replicates - start)
        drawn = rng.integers(0, n, (b, n)) + np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float32)


def two_sided(differences: Floats) -> float:
    """Bootstrap p of a difference of 0 (Efron & Tibshirani 1993, 15.4, with the observed sample counted as well)."""
    b = len(differences)
    return min(1.0, 2 * float(min((differences <= 0).sum() + 1, (differences >= 0).sum() + 1)) / (b + 1))


def percentiles(value: float, drawn: Floats, raised: float = 0.0) -> tuple[float, float]:
    """95 % interval of a metric from its replicates (b,) without NaN.

    `raised`: upward bias of the value, relative to that of the replicates over the value. The lower end is then moved
    down by both biases: that of the replicates over the value, and that of the value over the truth.
    """
    low, high = (float(bound) for bound in np.nanpercentile(drawn, LEVELS))
    if not raised:
        return low, high
    return max(0.0, low - (1 + raised) * max(0.0, float(np.nanmean(drawn)) - value)), high


def bootstrapped(
    n: int,
    measure: Callable[[NDArray[np.float32] | None], dict[str, Floats]],
    counts: NDArray[np.integer],
    raised: float = 0.0,
) -> dict[str, list[Estimate]]:
    """Estimates (k,) of each metric; `measure`: image weights (b, n) -> metrics (b, k); `counts` (k,): n of each."""
    values, blocks = measure(None), [measure(block) for block in bootstrap_weights(n, REPLICATES, seed=0)]
    return {
        name: [
            _estimate(value, np.concatenate([block[name][:, k] for block in blocks]), int(counts[k]), raised)
            for k, value in enumerate(values[name][0])
        ]
        for name in values
    }


def _estimate(value: float, drawn: Floats, n: int, raised: float) -> Estimate:
    if not np.isfinite(value):
        return undefined()
    return estimate(float(value), *percentiles(float(value), drawn, raised), n)
