"""Posterior of the noise model: an interval of the rate of wrong labels, a probability of each label.

The posterior of (β, R, ε + δ, δ / (ε + δ)) is computed on a grid. δ is the share of images on which the beliefs fail:
the encoder is sure and wrong. The likelihood depends on ε + δ only; the prior of δ decides how the sum is split. Its
scale grows with `Surface.unsure`, so a weaker encoder gives a wider interval. ε = 0 has the prior probability CLEAN.
The probability of a label is averaged over the posterior: it is near 1 only where the posterior excludes ε near 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assay.labels.beliefs import Chances, Ints
from assay.labels.noise_model import (
    ALIKE,
    EXPONENTS,
    SHARES,
    Kernel,
    Surface,
    harder,
    joint,
    kernel,
    sharpened,
)

Floats = NDArray[np.float64]

USUAL, SPREAD = np.log(1.9), 0.35
"""Mean and deviation of the normal prior of log β. The mean is above 0: regularised probes are underconfident."""
CLEAN = 0.2
"""Prior probability of ε = 0."""
SMALL = 0.02
"""The prior density of ε falls as 1 / (ε + SMALL)."""
OFTEN, SELDOM = (0.002, 0.25), (0.025, 0.5)
"""Prior of δ: a mixture of two exponentials. The scale of each is OFTEN[0] + OFTEN[1] unsure⁴, and likewise SELDOM."""
SHOWN = 2.0
"""Divisor of `unsure` where T is free: failures of an encoder do not depend on the class as these errors do."""
TAIL = 0.2
"""Weight of the second exponential."""
MANY = 1000
"""Labels up to which the likelihood has weight 1; of n more it is tempered to that of √(MANY n), as the error of a
misspecified model does not shrink with n."""
SPLITS = np.linspace(0, 1, 11)
"""Grid of δ / (ε + δ)."""
RATES, FAILS = SHARES[:, None] * (1 - SPLITS), SHARES[:, None] * SPLITS
"""(ε + δ, split) ε and δ of the grid; SHARES is the grid of ε + δ here."""
MORE, MORE_WEIGHTS = np.array([0.0, 0.5, 1.0, 2.0, 3.0]), np.array([0.1, 0.25, 0.35, 0.2, 0.1])
"""Grid of the factor of c in the interval, and its prior. It is not fitted: on images without a sure belief, the labels
do not identify their error rate."""
EDGES = np.array(
    [0, 0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.13, 0.17, 0.21, 0.26, 0.32, 0.4, 0.5, 1]
)
"""Bins of ε; `Posterior.models` has the posterior mean of each bin."""
LEAST = 2e-3
"""Least posterior weight of a bin that is kept."""
BLOCK = 16_384
"""Rows of the (n, k) table that are computed at a time."""
LEVELS = 0.025, 0.975
"""Quantiles of the interval."""
HIGHEST = 0.95
"""Largest rate of wrong labels in the interval."""


@dataclass(frozen=True)
class RateBin:
    """A component of the mixture that stands for the posterior: the mean of one bin of ε."""

    weight: float
    share: float
    """ε"""
    exponent: float
    """β"""
    fails: float
    """δ"""
    more: float
    """c"""
    alike: float
    """Mean weight of the confusion matrix in R."""


@dataclass(frozen=True)
class Posterior:
    """Mixture of models, and the interval of the share of wrong labels."""

    models: tuple[RateBin, ...]
    low: float
    high: float
    """95 % interval of the share of wrong labels."""
    free: Kernel | None
    """The kernel of all models if it was fitted; None: each model has that of its `alike`."""

    def right(self, logs: Chances, given: Ints) -> Chances:
        """(n, k) p(right = k | x, given), averaged over the models; `logs` (n, k): logarithms of the beliefs."""
        found = np.zeros_like(logs)
        for model in self.models:
            q = sharpened(logs, model.exponent)
            one = self.free or kernel(q, model.alike)
            for start in range(0, len(q), BLOCK):
                rows = slice(start, start + BLOCK)
                chances = joint(q[rows], given[rows], one, model.share, model.more, model.fails)
                found[rows] += model.weight * chances / chances.sum(1, keepdims=True)
        return found


def posterior(surface: Surface) -> Posterior:
    """The posterior of the labels that the surface was computed on."""
    some, none = _weights(surface)
    alike = np.ones(1) if surface.free else ALIKE
    grid = _Grid(some, RATES, FAILS, alike, np.asarray(harder(surface.unsure)))
    low, high = _interval(grid, surface.hard, float(none.sum()))
    models = [_clean(none, alike)] + [_between(grid, a, b) for a, b in pairwise(EDGES.tolist())]
    kept = [model for model in models if model.weight > LEAST]
    total = sum(model.weight for model in kept)
    models = [RateBin(**{**vars(model), "weight": model.weight / total}) for model in kept]
    return Posterior(tuple(models), low, high, surface.free)


@dataclass(frozen=True)
class _Grid:
    """The posterior of ε > 0, and the values of its axes."""

    weights: NDArray[np.float64]
    """(β, kernel, ε + δ, split) posterior; the sum is P(ε > 0)."""
    shares: Floats
    """(ε + δ, split) ε"""
    fails: Floats
    """(ε + δ, split) δ"""
    alike: Floats
    """(kernel,) weight of the confusion matrix, or factor of A of a fitted kernel."""
    harder: Floats
    """(β,) A"""


def _weights(surface: Surface) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior weights of ε > 0 (β, kernel, ε + δ, split), and of ε = 0 (β, kernel, δ); they sum to 1 together."""
    usual = np.exp(-0.5 * ((np.log(EXPONENTS) - USUAL) / SPREAD) ** 2)
    loglik = (surface.loglik - surface.loglik.max()) * min(1.0, (MANY / surface.count) ** 0.5)
    base = np.exp(loglik) * usual[:, None, None] / loglik.shape[1]
    density = (1 - CLEAN) / (RATES + SMALL) / np.log((SHARES[-1] + SMALL) / SMALL)
    cells = np.gradient(SHARES)
    area = (cells * SHARES)[:, None] * np.gradient(SPLITS)
    area[0, 0] = 0.5 * (SHARES[1] / 2) ** 2
    unsure = surface.unsure / (SHOWN if surface.free else 1)
    some = base[..., None] * (density * area * _fails(FAILS, unsure))[:, None]
    none = base * (CLEAN * cells * _fails(SHARES, unsure))[:, None]
    total = some.sum() + none.sum()
    return some / total, none / total


def _fails(fails: Floats, unsure: Floats) -> NDArray[np.float64]:
    """(β, *fails) prior density of δ at `fails`; `unsure` (β,)."""
    power = (unsure**4).reshape(-1, *[1] * fails.ndim)
    often, seldom = (least + more * power for least, more in (OFTEN, SELDOM))
    density: NDArray[np.float64] = (1 - TAIL) * np.exp(-fails / often) / often
    return density + TAIL * np.exp(-fails / seldom) / seldom


def _interval(grid: _Grid, hard: Floats, none: float) -> tuple[float, float]:
    """95 % interval of ε + c E[h], the rate of all wrong labels; `hard` (β,): E[h], `none`: the posterior of ε = 0."""
    root = np.sqrt(grid.shares)[None, None] * grid.alike[None, :, None, None]
    added = root * (grid.harder * hard)[:, None, None, None]
    values = np.minimum(grid.shares[None, None, ..., None] + added[..., None] * MORE, HIGHEST).ravel()
    weights = (grid.weights[..., None] * MORE_WEIGHTS).ravel()
    values, weights = np.append(values, 0.0), np.append(weights, none)
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    low, high = (values[order][min(int(np.searchsorted(below, level)), len(order) - 1)] for level in LEVELS)
    return float(low), float(high)


def _clean(none: NDArray[np.float64], alike: Floats) -> RateBin:
    """The model of ε = 0."""
    weight = max(float(none.sum()), 1e-300)
    exponent = float(np.exp(none.sum((1, 2)) @ np.log(EXPONENTS) / weight))
    return RateBin(
        weight,
        0.0,
        exponent,
        float(none.sum((0, 1)) @ SHARES / weight),
        0.0,
        float(none.sum((0, 2)) @ alike / weight),
    )


def _between(grid: _Grid, low: float, high: float) -> RateBin:
    """The posterior mean of the grid points with low ≤ ε < high."""
    within = (grid.shares >= low) & (grid.shares < high)
    held = grid.weights * within
    weight = max(float(held.sum()), 1e-300)
    by_exponent, by_kernel, by_cell = (held.sum(axes) / weight for axes in ((1, 2, 3), (0, 2, 3), (0, 1)))
    share, alike = float((by_cell * grid.shares).sum()), float(by_kernel @ grid.alike)
    return RateBin(
        weight,
        share,
        float(np.exp(by_exponent @ np.log(EXPONENTS))),
        float((by_cell * grid.fails).sum()),
        float(by_exponent @ grid.harder) * alike * share**0.5,
        alike,
    )
