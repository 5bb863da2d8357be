"""Noise of the seeds and of the finite val set, as joint draws of all conditions.

A draw (conditions,) uses one bootstrap sample of the val images for all conditions, so that comparisons are paired, and
adds to each condition a deviation with the variance between seeds. These deviations have Student's t distribution, as
the variance is estimated from few trainings. A function of a draw is a draw of that function.

The variance between seeds contains disagreement on single images, which the bootstrap over images contains too. It is
subtracted from the variance between seeds, so that it counts once (variance components of a crossed design; Searle,
Casella & McCulloch 1992).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.metrics.bootstrap import bootstrap_weights
from assay.metrics.judged import Judged
from assay.metrics.table import named

Floats = NDArray[np.float64]
DRAWS, BLOCKS = 2000, 8
LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class ConditionMetrics:
    """The primary metric of every condition, with the sign that makes higher better. Column order: `names`."""

    names: tuple[str, ...]
    values: Floats
    """(c,) means over the seeds."""
    resampled: Floats
    """(DRAWS, c) means over the seeds on bootstrap samples of val."""
    runs: NDArray[np.int64]
    """(c,) number of trainings."""
    deviation: Floats
    """(c,) standard deviation between seeds without the part of single images, pooled over similar conditions."""
    spread: Floats
    """(c,) total standard deviation between seeds on these val images."""
    freedom: Floats
    """(c,) degrees of freedom of `deviation`; 0 if no condition of the pool has two seeds."""

    def column(self, name: str) -> int:
        return self.names.index(name)

    def value(self, name: str) -> float:
        return float(self.values[self.column(name)])

    def error(self, name: str) -> float:
        """Standard error of the mean of a condition that is due to the seeds."""
        k = self.column(name)
        return float(self.deviation[k] / np.sqrt(self.runs[k]))

    def draws(self, rng: np.random.Generator, val: bool = True, seeds: bool = True) -> Floats:
        """(DRAWS, c) draws with the noise of val, of the seeds, or both."""
        out = np.tile(self.values, (DRAWS, 1))
        if val:
            out += self.resampled - self.resampled.mean(0)
        shock = rng.standard_normal(out.shape) * self.deviation / np.sqrt(self.runs)
        for freedom in np.unique(self.freedom[self.freedom > 0]):
            scale = np.sqrt(freedom / rng.chisquare(freedom, (DRAWS, 1)))
            shock = np.where(self.freedom == freedom, shock * scale, shock)
        return out + shock if seeds else out


def measure(
    outcomes: Mapping[str, Sequence[Judged]],
    metric: str,
    pools: Mapping[str, str],
    seed: int,
) -> ConditionMetrics:
    """Metrics from {condition: predictions on val of each seed}. `pools`: {condition: pool of its variance}."""
    sign = named(metric).sign
    whole = np.concatenate(list(bootstrap_weights(len(next(iter(outcomes.values()))[0]), DRAWS, seed)))
    weights = np.split(whole, BLOCKS)
    each: dict[str, Floats] = {}
    means, images = [], {}
    for name, runs in outcomes.items():
        each[name] = sign * np.array([judged.values()[metric][0] for judged in runs])
        drawn = np.stack([np.concatenate([judged.values(w)[metric] for w in weights]) for judged in runs])
        means.append(sign * drawn.mean(0))
        # variance of one run minus that of the mean of runs: the part of images that seeds do not share
        images[name] = float(drawn.var(1).mean() - drawn.mean(0).var()) * len(runs)
    squares, freedom = _pooled(each, pools)
    shared = _summed(images, pools)
    return ConditionMetrics(
        tuple(outcomes),
        np.array([v.mean() for v in each.values()]),
        np.stack(means, axis=1),
        np.array([len(v) for v in each.values()]),
        np.array([_root(squares[p] - shared[p], freedom[p]) for p in (pools[name] for name in each)]),
        np.array([_root(squares[p], freedom[p]) for p in (pools[name] for name in each)]),
        np.array([float(freedom[pools[name]]) for name in each]),
    )


def _pooled(each: Mapping[str, Floats], pools: Mapping[str, str]) -> tuple[dict[str, float], dict[str, int]]:
    """{pool: sum of squares between seeds}, {pool: degrees of freedom}."""
    squares, freedom = dict.fromkeys(pools.values(), 0.0), dict.fromkeys(pools.values(), 0)
    for name, values in each.items():
        squares[pools[name]] += float(((values - values.mean()) ** 2).sum())
        freedom[pools[name]] += len(values) - 1
    return squares, freedom


def _summed(images: Mapping[str, float], pools: Mapping[str, str]) -> dict[str, float]:
    """{pool: part of single images in those sums of squares}."""
    summed = dict.fromkeys(pools.values(), 0.0)
    for name, value in images.items():
        summed[pools[name]] += value
    return summed


def _root(squares: float, freedom: int) -> float:
    return float(np.sqrt(max(squares, 0.0) / max(freedom, 1)))


def interval(draws: Floats, value: float) -> tuple[float, float]:
    """95 % interval of the draws, extended to contain `value`."""
    low, high = (float(x) for x in np.percentile(draws, LEVELS))
    return min(low, value), max(high, value)
