"""Estimates with n and a 95 % interval: proportions, means and differences of paired samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Estimate = dict[str, float | int | None]
"""{"value", "low", "high", "n"}; all but n are None if the number is undefined."""

Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


def wilson(hits: float, n: float) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    centre, spread = hits + Z**2 / 2, Z * np.sqrt(hits * (n - hits) / n + Z**2 / 4)
    return max(0.0, float((centre - spread) / (n + Z**2))), min(1.0, float((centre + spread) / (n + Z**2)))


def bonett_price(only_new: int, only_old: int, n: int) -> tuple[float, float]:
    """95 % interval of a difference of two paired proportions (Bonett & Price 2012)."""
    gain, loss = (only_new + 1) / (n + 2), (only_old + 1) / (n + 2)
    spread = Z * np.sqrt((gain + loss - (gain - loss) ** 2) / (n + 2))
    return max(-1.0, float(gain - loss - spread)), min(1.0, float(gain - loss + spread))


def mcnemar_p(only_new: int, only_old: int) -> float:
    """Two-sided exact p of the hypothesis that both models are right equally often (McNemar 1947, binomial).

    Twice the tail of C(n, i) / 2ⁿ. Equals `scipy.stats.binomtest`, whose import takes a second.
    """
    n, fewer = only_new + only_old, min(only_new, only_old)
    if only_new == only_old:
        return 1.0
    i = np.arange(1, fewer + 1, dtype=np.float64)
    choose = np.concatenate([[0.0], np.cumsum(np.log((n - i + 1) / i))])
    return min(1.0, 2 * float(np.exp(choose - n * np.log(2)).sum()))


def paired_t(differences: Floats) -> tuple[float, float, float, float]:
    """(mean, low, high, p): Student's 95 % interval of the mean of paired differences (n,), and its two-sided p."""
    from scipy.special import stdtr, stdtrit  # the import takes 0.1 s

    n, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1) / np.sqrt(n)) if n > 1 else float("inf")
    if error == 0.0:
        return mean, mean, mean, 1.0 if mean == 0.0 else 0.0
    reach = float(stdtrit(n - 1, 0.975)) * error if n > 1 else float("inf")
    p = 2 * float(stdtr(n - 1, -abs(mean) / error)) if n > 1 else 1.0
    return mean, mean - reach, mean + reach, p


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for multiple comparisons (Holm 1979)."""
    m, worst, adjusted = len(p_values), 0.0, [0.0] * len(p_values)
    for rank, k in enumerate(sorted(range(m), key=lambda k: p_values[k])):
        worst = max(worst, min(1.0, (m - rank) * p_values[k]))
        adjusted[k] = round(worst, 6)
    return adjusted


def undefined() -> Estimate:
    return {"value": None, "low": None, "high": None, "n": 0}


def estimate(value: float, low: float, high: float, n: int) -> Estimate:
    """An estimate whose interval is widened to contain the value, and rounded."""
    return {
        "value": rounded(value),
        "low": rounded(min(low, value)),
        "high": rounded(max(high, value)),
        "n": int(n),
    }


def proportion(hits: float, n: float) -> Estimate:
    return estimate(hits / n, *wilson(hits, n), int(n)) if n else undefined()


def f1_estimate(hits: float, union: float, n: float) -> Estimate:
    """F1 = 2J/(1 + J) from the proportion J = hits/union; n: samples of the class."""
    value, low, high = (2 * j / (1 + j) for j in (hits / union, *wilson(hits, union)))
    return estimate(value, low, high, int(n))


def ratio(part: NDArray[np.number], whole: NDArray[np.number], nothing: float = np.nan) -> Floats:
    """The quotient part / whole; `nothing` where `whole` is not above 0."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    with np.errstate(invalid="ignore"):
        quotient: Floats = np.divide(part, whole, out=np.full(shape, nothing), where=whole > 0)
    return quotient


def mean_of_defined(rows: Floats) -> Floats:
    """(b,) means over the rows (m, b) without NaN; NaN if all are NaN."""
    there = np.isfinite(rows)
    return ratio(np.where(there, rows, 0.0).sum(0), there.sum(0))


def rounded(value: float) -> float:
    return round(float(value), 6) + 0.0
