"""The learning curve: value(n) = a − b·n^(−c), a power law (Cortes et al. 1994; Hestness et al. 2017).

For a given exponent the law is linear in a and b, so the fit has a closed form on a grid of exponents (variable
projection; Golub & Pereyra 1973): no starting point, no local optimum, all bootstrap draws at once. A weak prior keeps
the exponent within the range known for such curves, as there are few noisy points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPONENTS = np.geomspace(0.1, 2.0, 61)
TYPICAL, SPREAD = 0.5, 0.8
"""Prior: log c is normal with mean log TYPICAL and deviation SPREAD: within a factor of 5 with 95 %."""
NO_NOISE = 1e-3
"""Least standard error of a point: the law itself is not exact."""


@dataclass(frozen=True)
class Curve:
    """Parameters (draws,) of the law. `ceiling`: best possible value (1 for an accuracy); a ≤ ceiling, b ≥ 0."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, sizes: Floats | Sequence[float]) -> Floats:
        """(draws, len(sizes)) values of the law."""
        n = np.asarray(sizes, float)
        return self.a[:, None] - self.b[:, None] * n[None, :] ** -self.c[:, None]


def fit(
    sizes: Floats, values: Floats, deviations: Floats, ceiling: float, rng: np.random.Generator | None = None
) -> Curve:
    """Most probable law for each row of `values` (draws, m) at `sizes` (m,) with standard errors `deviations` (m,).

    With `rng` the mean of the prior is drawn for each row, so that draws of the values give draws of the law.
    """
    weight = 1 / np.maximum(deviations, NO_NOISE) ** 2
    centre = np.full(len(values), np.log(TYPICAL))
    if rng is not None:
        centre += SPREAD * rng.standard_normal(len(values))
    a, b = (np.empty((len(EXPONENTS), len(values))) for _ in range(2))
    cost = np.empty_like(a)
    for k, c in enumerate(EXPONENTS):
        x = sizes**-c
        a[k], b[k] = _line(x, values, weight, ceiling)
        misfit = values - a[k][:, None] + b[k][:, None] * x
        cost[k] = (weight * misfit**2).sum(1) + ((np.log(c) - centre) / SPREAD) ** 2
    best = cost.argmin(0), np.arange(len(values))
    return Curve(a[best], b[best], EXPONENTS[best[0]])


def _line(x: Floats, y: Floats, weight: Floats, ceiling: float) -> tuple[Floats, Floats]:
    """Weighted least squares of y (draws, m) on a − b·x, with b ≥ 0 and a ≤ ceiling."""
    w = weight / weight.sum()
    mean_x, mean_y = float(w @ x), y @ w
    b = -((y - mean_y[:, None]) @ (w * (x - mean_x))) / float(w @ (x - mean_x) ** 2)
    b = np.maximum(b, 0.0)
    a = mean_y + b * mean_x
    over = a > ceiling
    b[over] = np.maximum((ceiling - y[over]) @ (w * x) / float(w @ x**2), 0.0)
    a[over] = ceiling
    return a, b


def nested(targets: NDArray[np.int64], sizes: list[int], seed: int) -> list[NDArray[np.int64]]:
    """Sorted rows of growing subsets, each a subset of the next, stratified by class."""
    rng = np.random.default_rng([seed, len(targets)])
    place = np.empty(len(targets))
    for k in np.unique(targets):
        members = np.flatnonzero(targets == k)
        # the i-th of m members is placed at (i + u) / m, u in 0…1: any prefix has the classes in proportion
        place[rng.permutation(members)] = (np.arange(len(members)) + rng.random()) / len(members)
    order = np.argsort(place, kind="stable")
    return [np.sort(order[:size]).astype(np.int64) for size in sizes]
