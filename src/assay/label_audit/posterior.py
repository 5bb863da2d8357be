"""What may be believed of the share of wrong labels, and of each label, given the likelihood of all of them.

The posterior of (β, R, ε + δ) on a grid. δ is what would pass for wrong labels and is the beliefs' own failure: an
encoder that is sure and wrong. It cannot be told from ε by the likelihood, only by how sure the beliefs are at all (its
prior widens as their surest tenth gets less sure), so the less an encoder can tell, the wider the interval; zero is
always possible. Probabilities of labels are averaged over the posterior: they are high only where ε is surely not zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from assay.label_audit.beliefs import Chances, Ints
from assay.label_audit.noise_model import (
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
"""Of log β: regularised probes are less sure than they might be."""
CLEAN = 0.2
"""Prior probability that no label is wrong."""
SMALL = 0.02
"""The prior density of ε falls as 1 / (ε + SMALL)."""
OFTEN, SELDOM = (0.002, 0.25), (0.025, 0.5)
"""Scales of δ's prior, two exponentials: where the beliefs are sure, and what `unsure` to the fourth adds."""
SHOWN = 2.0
"""What `unsure` is divided by for a T that held-out labels speak for: failures of an encoder do not go by class."""
TAIL = 0.2
"""Weight of the second."""
MANY = 1000
"""Labels up to which the likelihood counts in full. No model of noise is quite right, and more labels do not mend it:
beyond, it counts as that of √(MANY × labels)."""
SPLITS = np.linspace(0, 1, 11)
"""δ / (ε + δ)"""
MORE, MORE_WEIGHTS = np.array([0.0, 0.5, 1.0, 2.0, 3.0]), np.array([0.1, 0.25, 0.35, 0.2, 0.1])
"""How much larger c may be, as wrong labels of hard images leave no trace."""
EDGES = np.array(
    [0, 0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.13, 0.17, 0.21, 0.26, 0.32, 0.4, 0.5, 1]
)
"""Of ε, within which one model stands for all."""
LEAST = 2e-3
"""Posterior weight below which a model is left out."""
BLOCK = 16_384
"""Labels of which the probabilities are computed at a time."""
LEVELS = 0.025, 0.975
HIGHEST = 0.95


@dataclass(frozen=True)
class Model:
    """One of those that the posterior is a mixture of."""

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
    """Mean weight of look-alike classes in R."""


@dataclass(frozen=True)
class Posterior:
    models: tuple[Model, ...]
    low: float
    high: float
    """95 % interval of the share of wrong labels."""
    free: Kernel | None

    def right(self, logs: Chances, given: Ints) -> Chances:
        """(n, k) the probability of each class to be the right one, the label `given` (n,) considered."""
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
    """Over what the surface was computed on."""
    some, none = _weights(surface)
    shares, fails = SHARES[:, None] * (1 - SPLITS), SHARES[:, None] * SPLITS
    alike = np.ones(1) if surface.free else ALIKE
    grid = _Grid(some, shares, fails, alike, np.asarray(harder(surface.unsure)))
    low, high = _interval(grid, surface.hard, float(none.sum()))
    models = [_clean(none, alike)] + [_between(grid, a, b) for a, b in pairwise(EDGES.tolist())]
    kept = [model for model in models if model.weight > LEAST]
    total = sum(model.weight for model in kept)
    models = [Model(**{**vars(model), "weight": model.weight / total}) for model in kept]
    return Posterior(tuple(models), low, high, surface.free)


@dataclass(frozen=True)
class _Grid:
    weights: NDArray[np.float64]
    """(β, kernel, ε + δ, split), posterior."""
    shares: Floats
    fails: Floats
    """(ε + δ, split)"""
    alike: Floats
    harder: Floats
    """(β,) A"""


def _weights(surface: Surface) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior weights where some labels are wrong (β, kernel, ε + δ, split), and where none is (β, kernel, δ)."""
    usual = np.exp(-0.5 * ((np.log(EXPONENTS) - USUAL) / SPREAD) ** 2)
    loglik = (surface.loglik - surface.loglik.max()) * min(1.0, (MANY / surface.count) ** 0.5)
    base = np.exp(loglik) * usual[:, None, None] / loglik.shape[1]
    shares, fails = SHARES[:, None] * (1 - SPLITS), SHARES[:, None] * SPLITS
    density = (1 - CLEAN) / (shares + SMALL) / np.log((SHARES[-1] + SMALL) / SMALL)
    cells = np.gradient(SHARES)
    area = (cells * SHARES)[:, None] * np.gradient(SPLITS)
    area[0, 0] = 0.5 * (SHARES[1] / 2) ** 2
    unsure = surface.unsure / (SHOWN if surface.free else 1)
    some = base[..., None] * (density * area * _fails(fails, unsure))[:, None]
    none = base * (CLEAN * cells * _fails(SHARES, unsure))[:, None]
    total = some.sum() + none.sum()
    return some / total, none / total


def _fails(fails: Floats, unsure: Floats) -> NDArray[np.float64]:
    """Prior density of δ for each β."""
    power = (unsure**4).reshape(-1, *[1] * fails.ndim)
    often, seldom = (least + more * power for least, more in (OFTEN, SELDOM))
    density: NDArray[np.float64] = (1 - TAIL) * np.exp(-fails / often) / often
    return density + TAIL * np.exp(-fails / seldom) / seldom


def _interval(grid: _Grid, hard: Floats, none: float) -> tuple[float, float]:
    """Of ε and what hard images add to it."""
    root = np.sqrt(grid.shares)[None, None] * grid.alike[None, :, None, None]
    added = root * (grid.harder * hard)[:, None, None, None]
    values = np.minimum(grid.shares[None, None, ..., None] + added[..., None] * MORE, HIGHEST).ravel()
    weights = (grid.weights[..., None] * MORE_WEIGHTS).ravel()
    values, weights = np.append(values, 0.0), np.append(weights, none)
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    low, high = (values[order][min(int(np.searchsorted(below, level)), len(order) - 1)] for level in LEVELS)
    return float(low), float(high)


def _clean(none: NDArray[np.float64], alike: Floats) -> Model:
    """No label is wrong."""
    weight = max(float(none.sum()), 1e-300)
    exponent = float(np.exp(none.sum((1, 2)) @ np.log(EXPONENTS) / weight))
    return Model(
        weight,
        0.0,
        exponent,
        float(none.sum((0, 1)) @ SHARES / weight),
        0.0,
        float(none.sum((0, 2)) @ alike / weight),
    )


def _between(grid: _Grid, low: float, high: float) -> Model:
    """The mean of the models with ε in low…high."""
    within = (grid.shares >= low) & (grid.shares < high)
    held = grid.weights * within
    weight = max(float(held.sum()), 1e-300)
    by_exponent, by_kernel, by_cell = (held.sum(axes) / weight for axes in ((1, 2, 3), (0, 2, 3), (0, 1)))
    share, alike = float((by_cell * grid.shares).sum()), float(by_kernel @ grid.alike)
    return Model(
        weight,
        share,
        float(np.exp(by_exponent @ np.log(EXPONENTS))),
        float((by_cell * grid.fails).sum()),
        float(by_exponent @ grid.harder) * alike * share**0.5,
        alike,
    )
