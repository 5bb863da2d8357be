"""Interval of a contrast with noise from few seeds and from a finite test set.

    V = samples + seeds (+ orders)

`samples` is estimated well (many bootstrap replicates), `seeds` with `freedom` degrees of freedom only. The interval is
value ± t · √V, with Student's t at the degrees of freedom of the sum (Satterthwaite 1946, Welch 1947):

    V² / (seeds² / freedom + …)

It approaches the normal interval if the noise of the test set dominates, and Student's if that of the seeds does.
Weerahandi's (1993) generalised interval was tried instead: at 2 seeds it covers 97 to 99.7 %, more than needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]

LEVEL = 0.95
LARGE = 1e9
"""Degrees of freedom that stand for infinity."""


@dataclass(frozen=True)
class Noise:
    """Variances of contrasts, all of one shape."""

    seeds: Floats
    """Of the mean over the seeds."""
    freedom: Floats
    """Degrees of freedom of `seeds`."""
    samples: Floats
    """Of the test set, without the part that `seeds` contains."""
    both: Floats
    """The part of `seeds` that is seed × sample noise, which more test samples also reduce."""
    orders: Floats | float = 0.0
    """Of the random choice of orders of the players, if not all orders are used."""
    orders_freedom: float = 1.0

    @property
    def variance(self) -> Floats:
        return self.seeds + self.samples + self.orders

    @property
    def whole_freedom(self) -> Floats:
        """Satterthwaite's degrees of freedom of the sum."""
        parts = self.seeds**2 / self.freedom + np.square(self.orders) / self.orders_freedom
        whole = np.full_like(self.variance, LARGE)
        return np.minimum(np.divide(self.variance**2, parts, out=whole, where=parts > 0), LARGE)


def half_width(noise: Noise) -> Floats:
    """(…): q of the 95 % interval value ± q."""
    return np.asarray(stdtrit(noise.whole_freedom, (1 + LEVEL) / 2) * np.sqrt(noise.variance), np.float64)


def p_value(values: Floats, noise: Noise) -> Floats:
    """(…): two-sided p of the hypothesis of an expected value 0; below 0.05 if and only if the interval excludes 0."""
    size, deviation = np.abs(values), np.sqrt(noise.variance)
    none = np.where(size > 0, np.inf, 0.0)
    p: Floats = 2 * stdtr(noise.whole_freedom, -np.divide(size, deviation, out=none, where=deviation > 0))
    return p
