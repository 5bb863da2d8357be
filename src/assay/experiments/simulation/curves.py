"""Learning curves, areas and labels needed: measured, and as draws with the noise of seeds and of val images.

A draw weights the val images by one bootstrap sample, the same for all strategies, seeds and budgets. It adds to the
mean over the seeds a random combination of the seeds' deviations from it, with the same coefficients for all
strategies and budgets, and with Student's t distribution, as there are few seeds. Whole curves therefore vary as they
do between seeds, comparisons of strategies are paired, and a function of a draw (area, crossing, ratio of crossings) is
a draw of that function.

The variance between seeds contains disagreement on single images, which the bootstrap over images contains too. It is
subtracted, pooled over all curves (variance components; Searle, Casella & McCulloch 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from assay.metrics.bootstrap import bootstrap_weights

Floats = NDArray[np.float64]

DRAWS = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Curves:
    """Accuracy by strategy and budget."""

    budgets: NDArray[np.int64]
    """(b,) labels."""
    each: Floats
    """(strategies, seeds, b)"""
    drawn: Floats
    """(DRAWS, strategies, b) draws of the mean over the seeds."""

    @property
    def mean(self) -> Floats:
        """(strategies, b)"""
        return np.asarray(self.each.mean(1))


def measure(correct: NDArray[np.bool_], budgets: Sequence[int], seed: int, chosen_among: int = 1) -> Curves:
    """Curves from `correct` (strategies, seeds, b, n), n images measured on, at least two seeds.

    `chosen_among`: number of strategies from which one was chosen on the same images, with other seeds. The draws of
    the images are widened by the ratio of the normal quantiles with and without Bonferroni correction.
    """
    strategies, seeds, b, n = correct.shape
    flat = correct.reshape(strategies, seeds, b, n)
    shares = flat.mean(1, dtype=np.float32).reshape(strategies * b, n)
    blocks = [weights @ shares.T / n for weights in bootstrap_weights(n, DRAWS, seed)]
    images = np.concatenate(blocks).astype(np.float64).reshape(DRAWS, strategies, b)
    each = flat.mean(-1, dtype=np.float64)
    luck = ndtri(1 - (1 - LEVEL) / 2 / chosen_among) / ndtri((1 + LEVEL) / 2)
    drawn = each.mean(1) + luck * (images - images.mean(0)) + _seeds(each, _disagreement(flat), seed)
    return Curves(np.asarray(budgets, np.int64), each, drawn)


def _disagreement(correct: NDArray[np.bool_]) -> float:
    """Variance of the accuracy of a seed that is due to single images, pooled over curves and budgets."""
    within = [float(one.var(0, ddof=1).mean()) for one in correct]
    return float(np.mean(within)) / int(correct.shape[-1])


def _seeds(each: Floats, disagreement: float, seed: int) -> Floats:
    """(DRAWS, strategies, b) random deviations of the mean over the seeds."""
    strategies, k, b = each.shape
    deviations = each - each.mean(1, keepdims=True)
    seen = float(deviations.var(1, ddof=1).mean())
    own = max(1 - disagreement / seen, 0.0) if seen > 0 else 0.0
    rng = np.random.default_rng([seed, k])
    shock = rng.standard_normal((DRAWS, k)) * np.sqrt((k - 1) / rng.chisquare(k - 1, (DRAWS, 1)))
    weights = shock * np.sqrt(own / (k * (k - 1)))
    moved = weights @ deviations.transpose(1, 0, 2).reshape(k, strategies * b)
    return np.asarray(moved.reshape(DRAWS, strategies, b))


def area(values: Floats, budgets: NDArray[np.int64]) -> Floats:
    """(…) mean of the curve (…, b) over the logarithm of the budget (trapezoidal rule); with one budget, its value."""
    if len(budgets) == 1:
        return values[..., 0]
    x = np.log(budgets)
    result: Floats = np.trapezoid(values, x, axis=-1) / (x[-1] - x[0])
    return result


def labels_needed(values: Floats, budgets: NDArray[np.int64], level: Floats | float) -> Floats:
    """(…) labels at which a curve (…, b) first reaches `level` (…), by linear interpolation on the log axis.

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
    """Interval of draws (DRAWS,), which may be ∞, extended to contain `value`."""
    ends = (1 - level) / 2, (1 + level) / 2
    low, high = (float(x) for x in np.quantile(draws, ends, method="inverted_cdf"))
    return min(low, value), max(high, value)
