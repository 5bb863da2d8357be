"""The bootstrap over samples, as weights: how often each sample was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from assay.metrics.estimates import Estimate, Floats, estimate, undefined

LEVELS = (2.5, 97.5)
"""Percentiles of a 95 % interval."""
REPLICATES = 1000
"""Behind the intervals of single classes."""
BLOCK = 1 << 22
"""Bootstrap weights that are in memory at a time: 16 MB."""


def bootstrap_weights(n: int, replicates: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """How often each sample was drawn, in blocks of (b, n); n draws with replacement a row."""
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // n)
    for start in range(0, replicates, rows):
        b = min(rows, replicates - start)
        drawn = rng.integers(0, n, (b, n)) + np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float32)


def two_sided(differences: Floats) -> float:
    """Bootstrap p of a difference of zero (Efron & Tibshirani 1993, 15.4, counting the observed sample too)."""
    b = len(differences)
    return min(1.0, 2 * float(min((differences <= 0).sum() + 1, (differences >= 0).sum() + 1)) / (b + 1))


def percentiles(value: float, drawn: Floats, raised: float = 0.0) -> tuple[float, float]:
    """95 % interval of a metric from its replicates (b,), NaN left out.

    Of a metric that noise raises, its bias being `raised` times that of the replicates, the lower end moves down by
    both: the replicates lie above the value by theirs, and the value above the truth by its own.
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
    """Estimates of metrics that are (b, k) under image weights (b, n); `counts` (k,): what each is of."""
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
