"""Noise of few seeds in the comparison of schemes: variances moderated over schemes, as each has too few of its own.

With three seeds a variance has two degrees of freedom, and an interval is three times as wide as with many. The schemes
at a budget are trained alike, so that their variances are alike: an empirical Bayes estimate draws each towards that of
its budget, by as much as the variances of all schemes and budgets agree (G. K. Smyth: Linear models and empirical Bayes
methods for assessing differential expression in microarray experiments. 2004).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from assay.experiments.learning_curves import seed_deviations

Floats = NDArray[np.float64]

GRID = np.geomspace(1e-2, 1e4, 2000)
"""Halves of degrees of freedom among which the prior's are looked up."""


def seed_draws(each: Floats, draws: int, seed: int) -> Floats:
    """(draws, schemes, b) deviations of the mean over the seeds, from `each` (schemes, seeds, b).

    The effect of a seed on all schemes alike (its order of the images) cancels in their differences and has its own
    draws; its effect on one scheme is independent of the others. Part of that is disagreement on single images, which
    the bootstrap over the images contains too: it is not subtracted, as it is small and estimated from few seeds.
    """
    schemes, seeds, budgets = each.shape
    both = each.mean(0, keepdims=True)
    variance = (each - both).var(1, ddof=1) * schemes / max(schemes - 1, 1)
    moderated, freedom = moderate(variance, seeds - 1)
    rng = np.random.default_rng([seed, schemes, seeds])
    # the same degrees of freedom for all: the prior is estimated from all variances together
    shock = rng.standard_normal((draws, schemes, budgets))
    shock *= np.sqrt(freedom / rng.chisquare(freedom, (draws, 1, 1)))
    return np.asarray(seed_deviations(both, 0.0, draws, seed) + shock * np.sqrt(moderated / seeds))


def moderate(variance: Floats, freedom: int) -> tuple[Floats, float]:
    """Variances (schemes, b) drawn towards that of their budget, and their degrees of freedom after it.

    `freedom`: of each before. The prior adds at most (schemes − 2) · freedom: two schemes keep their variances.
    """
    schemes, half = len(variance), freedom / 2
    most = max((schemes - 2) * freedom, 0)
    known = np.where(variance > 0, variance, np.nan)
    if not most or np.isnan(known).any(0).any():
        return variance, float(freedom)
    logs = np.log(known) - digamma(half) + np.log(half)
    centre = logs.mean(0)
    spread = float(((logs - centre) ** 2).sum()) / (logs.size - len(centre)) - float(polygamma(1, half))
    prior = min(2 * _inverse_trigamma(spread), most)
    typical = np.exp(centre + digamma(prior / 2) - np.log(prior / 2))
    return (prior * typical + freedom * variance) / (prior + freedom), prior + freedom


def _inverse_trigamma(value: float) -> float:
    """Inverse of trigamma on a grid; the end of the grid for values beyond it."""
    return float(np.interp(-value, -polygamma(1, GRID), GRID))
