"""Intervals of numbers that depend on images through sums: the bootstrap over images.

Images with equal rows are interchangeable. A replicate therefore draws how often each distinct row occurs, from the
multinomial distribution, instead of images: the same distribution at the cost of the distinct rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assay.metrics.bootstrap import REPLICATES, percentiles
from assay.metrics.estimates import Estimate, Floats, estimate, undefined

BLOCK = 1 << 24
"""Draws in memory at a time."""
SEED = 0


def resampled(
    parts: NDArray[np.number], value: Callable[[Floats], Floats], counts: NDArray[np.integer]
) -> list[Estimate]:
    """An estimate of each of m numbers, with `counts` (m,) as its n.

    `parts` (n, c): one row an image. `value`: sums of the rows (b, c) -> the m numbers (b, m), NaN where undefined.
    """
    rows, many = np.unique(np.asarray(parts, np.float64), axis=0, return_counts=True)
    values = value((many @ rows)[None])[0]
    drawn = np.concatenate([value(sums) for sums in _replicates(rows, many)])
    return [
        _estimate(float(one), column, int(n)) for one, column, n in zip(values, drawn.T, counts, strict=True)
    ]


def _replicates(rows: Floats, many: NDArray[np.integer]) -> list[Floats]:
    rng, n = np.random.default_rng(SEED), int(many.sum())
    at_once = max(1, BLOCK // len(rows))
    sizes = [min(at_once, REPLICATES - start) for start in range(0, REPLICATES, at_once)]
    return [rng.multinomial(n, many / n, size) @ rows for size in sizes]


def _estimate(value: float, drawn: Floats, n: int) -> Estimate:
    if not np.isfinite(value):
        return undefined() | {"n": n}
    return estimate(value, *percentiles(value, drawn[np.isfinite(drawn)]), n)
