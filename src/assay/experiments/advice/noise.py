"""Two noises: another seed gives another model, and another val set another number for the same model.

Both are carried as draws of all that was measured at once, (draws, conditions): each draw takes one bootstrap sample of
the val images, the same for every condition (what is compared is compared on the same images), and shakes every
condition by the spread between seeds, with the heavier tails of a spread that is itself known from few trainings
(Student's t). Whatever is computed from a draw is a draw of it.

Two seeds also differ because they disagree on single images, and of that the bootstrap knows already: it is taken off
the spread between seeds, or it would be counted twice (components of variance of a crossed design: Searle, Casella &
McCulloch 1992).
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
DRAWS = 2000
LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class ConditionMetrics:
    """The primary metric of every condition, turned so that more is better. Column order: `names`."""

    names: tuple[str, ...]
    values: Floats
    """(c,) means over the seeds."""
    resampled: Floats
    """(DRAWS, c) the same means on bootstrap samples of val."""
    runs: NDArray[np.int64]
    """(c,) trainings of each."""
    deviation: Floats
    """(c,) standard deviation between seeds beyond what single images make, pooled over conditions alike."""
    spread: Floats
    """(c,) the whole standard deviation between seeds, on these val images."""
    freedom: Floats
    """(c,) degrees of freedom of that deviation; 0 where no condition had two seeds."""

    def column(self, name: str) -> int:
        return self.names.index(name)

    def value(self, name: str) -> float:
        return float(self.values[self.column(name)])

    def error(self, name: str) -> float:
        """Standard error of a condition's mean that comes from the seeds."""
        k = self.column(name)
        return float(self.deviation[k] / np.sqrt(self.runs[k]))

    def draws(self, rng: np.random.Generator, val: bool = True, seeds: bool = True) -> Floats:
        """(DRAWS, c), with either noise or both."""
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
    """From {condition: predictions on val of each seed}. `pools` names what shares its spread between seeds."""
    sign = named(metric).sign
    weights = np.concatenate(list(bootstrap_weights(len(next(iter(outcomes.values()))[0]), DRAWS, seed)))
    each: dict[str, Floats] = {}
    means, images = [], {}
    for name, runs in outcomes.items():
        each[name] = sign * np.array([judged.values()[metric][0] for judged in runs])
        drawn = np.stack([judged.values(weights)[metric] for judged in runs])
        means.append(sign * drawn.mean(0))
        # of one run, less of their mean: what of it seeds do not share
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
    """{pool: what single images make of those sums of squares}."""
    summed = dict.fromkeys(pools.values(), 0.0)
    for name, value in images.items():
        summed[pools[name]] += value
    return summed


def _root(squares: float, freedom: int) -> float:
    return float(np.sqrt(max(squares, 0.0) / max(freedom, 1)))


def interval(draws: Floats, value: float) -> tuple[float, float]:
    """95 %, and holding the value."""
    low, high = (float(x) for x in np.percentile(draws, LEVELS))
    return min(low, value), max(high, value)
