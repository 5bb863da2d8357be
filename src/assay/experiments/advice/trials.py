"""Expected gain of the best of N settings of the model, corrected for the choice of the best.

The measured gain of the best of several trials is biased upwards (winner's curse). The effects of the settings are
modelled as draws of a normal distribution with unknown mean and spread (random effects; Rubin 1981, "eight schools";
Gelman et al., Bayesian Data Analysis, 5.4). The posterior separates the differences between trials from noise, and
predicts the best of further trials (compare Dodge et al. 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GRID = 60
DRAWS = 2000
BEYOND = 8
"""Further trials count up to this multiple of the trials made: the tail beyond is not identified."""
PRIOR = 0.1
"""Scale of the half-Cauchy prior of the spread, as a part of `headroom`."""


def best_of(
    gains: Floats, covariance: Floats, further: int, noise: float, headroom: float, rng: np.random.Generator
) -> Floats:
    """(DRAWS,) gain over the baseline of the best of the trials made and `further` ones; 0 if none looks better.

    `gains` (t,): measured gains over the baseline, with error covariance (t, t). A further trial has the standard error
    `noise`. `headroom`: largest possible gain. Losses are limited to the size of the best gain, or two standard errors:
    a setting that fails does not widen the distribution towards gains.
    """
    t = len(gains)
    further = int(min(further, BEYOND * t))
    error = np.sqrt(np.diag(covariance))
    y = np.maximum(gains, -max(float(gains.max()), 2 * float(np.median(error))))
    spread, mean = _posterior(y, covariance, max(headroom, 1e-6) * PRIOR, rng)
    theta = _known(y, covariance, spread, mean, rng)
    best = int(gains.argmax())
    won, seen = theta[:, best], np.full(DRAWS, gains[best])
    if further:
        new = mean[:, None] + spread[:, None] * rng.standard_normal((DRAWS, further))
        shown = new + noise * rng.standard_normal(new.shape)
        top = shown.argmax(1), np.arange(DRAWS)
        better = shown[top[1], top[0]] > seen
        won = np.where(better, new[top[1], top[0]], won)
        seen = np.where(better, shown[top[1], top[0]], seen)
    return np.minimum(np.where(seen > 0, won, 0.0), headroom)


def _posterior(
    y: Floats, covariance: Floats, scale: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draws of (spread, mean) of the effects: the spread on a grid, the mean normal given the spread."""
    grid = np.linspace(0.0, 1.0, GRID) ** 2 * max(5 * scale, 3 * float(np.ptp(y)), 1e-6)
    one, logs, centres, errors = np.ones(len(y)), [], [], []
    for spread in grid:
        precision = np.linalg.inv(covariance + (spread**2 + 1e-12) * np.eye(len(y)))
        variance = 1 / float(one @ precision @ one)
        centre = variance * float(one @ precision @ y)
        misfit = float((y - centre) @ precision @ (y - centre))
        logdet = np.linalg.slogdet(precision)[1]
        logs.append(0.5 * (logdet + np.log(variance) - misfit) - np.log1p((spread / scale) ** 2))
        centres.append(centre)
        errors.append(np.sqrt(variance))
    width = np.gradient(grid)
    chance = np.exp(np.array(logs) - max(logs)) * width
    picked = rng.choice(GRID, DRAWS, p=chance / chance.sum())
    mean = np.array(centres)[picked] + np.array(errors)[picked] * rng.standard_normal(DRAWS)
    return grid[picked], mean


def _known(y: Floats, covariance: Floats, spread: Floats, mean: Floats, rng: np.random.Generator) -> Floats:
    """(draws, t) effects of the trials made given spread and mean: normal around the shrunken estimate."""
    draws = np.empty((len(spread), len(y)))
    for value in np.unique(spread):
        mine = np.flatnonzero(spread == value)
        prior = value**2 * np.eye(len(y))
        pull = prior @ np.linalg.inv(covariance + prior + 1e-12 * np.eye(len(y)))
        remaining = prior - pull @ prior
        values, vectors = np.linalg.eigh((remaining + remaining.T) / 2)
        root = vectors * np.sqrt(np.maximum(values, 0))
        centre = mean[mine, None] + (y - mean[mine, None]) @ pull.T
        draws[mine] = centre + rng.standard_normal((len(mine), len(y))) @ root.T
    return draws
