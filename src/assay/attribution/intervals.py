"""Intervals of a contrast that carry the noise of few seeds and that of a finite test set.

What is estimated is the contrast's expectation over training seeds and over test samples. With k seeds, the same for
every corner, and one test set,

    V = V_seed + V_samples

    V_seed     s²/k, which has nu degrees of freedom and holds the noise of the seeds and of seeds × samples
    V_samples  of the paired bootstrap of the mean over seeds, less the seed × sample noise that V_seed holds already:
               V_both = (mean of the seeds' own bootstrap variances − that of their mean)/(k − 1) (the pigeonhole
               bootstrap of Owen 2007 is about the same double count)

The interval is value ± q, where q solves

    E over chi²_nu of 2 Phi(q / sqrt(V_seed nu/chi² + V_samples)) − 1 = 0.95:

Weerahandi's (1993) generalised interval: Student's t where the seeds' noise rules, normal where the test set's does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, ndtr

Floats = NDArray[np.float64]

LEVEL = 0.95
NODES, WEIGHTS = (a / 2 for a in np.polynomial.legendre.leggauss(48))
QUANTILES = NODES + 0.5
STEPS = 40


@dataclass(frozen=True)
class Noise:
    """Variances of contrasts, all of one shape."""

    seeds: Floats
    """Of the mean over the seeds."""
    freedom: Floats
    """Degrees of freedom of `seeds`; inf: `seeds` is known."""
    samples: Floats
    """Of the test set, without what is in `seeds` already."""
    both: Floats
    """The part of `seeds` that is seed × sample noise."""


def half_width(noise: Noise) -> Floats:
    """(…): q of the interval value ± q.

    Newton's method from 0, which climbs to the root without ever passing it, as the expectation is concave in q.
    """
    spread = _spread(noise)
    scale = np.sqrt(np.min(spread, axis=-1))
    deviation = np.sqrt(spread)
    q = 1.9599 * scale
    for _ in range(STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(deviation > 0, q[..., None] / deviation, np.inf)
        inside = (WEIGHTS * (2 * ndtr(z) - 1)).sum(-1)
        density = np.exp(-0.5 * z**2) * np.sqrt(2 / np.pi)
        slope = (WEIGHTS * np.divide(density, deviation, out=np.zeros_like(z), where=deviation > 0)).sum(-1)
        step = np.divide(LEVEL - inside, slope, out=np.zeros_like(q), where=slope > 0)
        q = q + np.maximum(step, 0)
        if not np.any(step > 1e-10 * q):
            break
    return np.asarray(q, dtype=np.float64)


def p_value(values: Floats, noise: Noise) -> Floats:
    """(…): two-sided p of an expectation of zero; below 0.05 just when the interval leaves zero out."""
    deviation = np.sqrt(_spread(noise))
    size = np.abs(values)[..., None]
    z = np.divide(size, deviation, out=np.where(size > 0, np.inf, 0.0) + 0 * deviation, where=deviation > 0)
    p: Floats = (WEIGHTS * 2 * ndtr(-z)).sum(-1)
    return np.clip(p, 0, 1)


def _spread(noise: Noise) -> Floats:
    """(…, nodes): the whole variance at the quantiles of the seeds' chi²."""
    nu = np.where(np.isfinite(noise.freedom), noise.freedom, 1e9)
    chi2: Floats = chdtri(nu[..., None], 1 - QUANTILES)
    spread: Floats = noise.seeds[..., None] * nu[..., None] / chi2 + noise.samples[..., None]
    return spread
