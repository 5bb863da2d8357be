"""Learning curves as draws, and what is read off them: areas, the budget at which a level is reached, intervals.

A draw is a whole curve of every arm, with the noise of seeds and of the images measured on: a function of a draw (area,
crossing, ratio of crossings) is a draw of that function, and comparisons of arms are paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True)
class Curves:
    """A metric by arm (strategy, scheme) and budget."""

    budgets: NDArray[Any]
    """(b,) labels, hours."""
    each: Floats
    """(arms, seeds, b)"""
    drawn: Floats
    """(draws, arms, b) draws of the mean over the seeds."""

    @property
    def mean(self) -> Floats:
        """(arms, b)"""
        return np.asarray(self.each.mean(1))


def seed_deviations(each: Floats, disagreement: float, draws: int, seed: int) -> Floats:
    """(draws, arms, b) random deviations of the mean over the seeds, from `each` (arms, seeds, b).

    A random combination of the seeds' deviations from their mean, with the same coefficients for all arms and budgets,
    and with Student's t distribution, as there are few seeds. Whole curves therefore vary as they do between seeds.

    `disagreement`: the part of the variance between seeds that is due to single images, which a bootstrap over images
    contains too. It is subtracted (variance components; Searle, Casella & McCulloch 1992).
    """
    arms, k, b = each.shape
    deviations = each - each.mean(1, keepdims=True)
    seen = float(deviations.var(1, ddof=1).mean())
    own = max(1 - disagreement / seen, 0.0) if seen > 0 else 0.0
    rng = np.random.default_rng([seed, k])
    shock = rng.standard_normal((draws, k)) * np.sqrt((k - 1) / rng.chisquare(k - 1, (draws, 1)))
    weights = shock * np.sqrt(own / (k * (k - 1)))
    moved = weights @ deviations.transpose(1, 0, 2).reshape(k, arms * b)
    return np.asarray(moved.reshape(draws, arms, b))


def area(values: Floats, budgets: NDArray[np.number]) -> Floats:
    """(…) mean of the curve (…, b) over the logarithm of the budget (trapezoidal rule); with one budget, its value."""
    if len(budgets) == 1:
        return values[..., 0]
    x = np.log(budgets)
    result: Floats = np.trapezoid(values, x, axis=-1) / (x[-1] - x[0])
    return result


def budget_needed(values: Floats, budgets: NDArray[np.number], level: Floats | float) -> Floats:
    """(…) budget at which a curve (…, b) first reaches `level` (…), by linear interpolation on the log axis.

    The first budget if the curve begins above the level, ∞ if it stays below.
    """
    level = np.broadcast_to(np.asarray(level, float), values.shape[:-1])
    above = values >= level[..., None]
    first = above.argmax(-1)
    x = np.log(budgets)
    here = np.take_along_axis(values, first[..., None], -1)[..., 0]
    before = np.maximum(first - 1, 0)
    there = np.take_along_axis(values, before[..., None], -1)[..., 0]
    rise = here - there
    part = np.divide(level - there, rise, out=np.ones_like(rise), where=rise > 0)
    needed = np.exp(x[before] + np.clip(part, 0, 1) * (x[first] - x[before]))
    return np.where(above.any(-1), np.where(first == 0, budgets[0], needed), np.inf)


def interval(draws: Floats, value: float, level: float = LEVEL) -> tuple[float, float]:
    """Interval of draws (n,), which may be ∞, extended to contain `value`."""
    ends = (1 - level) / 2, (1 + level) / 2
    low, high = (float(x) for x in np.quantile(draws, ends, method="inverted_cdf"))
    return min(low, value), max(high, value)
