"""Variance of contrasts of corners: the part due to the seeds, and the part due to the finite test set.

Every corner is trained with the same k seeds and measured on one test set. Its value varies with the test samples, with
the seeds, and with seeds × samples (which samples a seed gets right). The paired bootstrap over samples estimates two
covariances of the corners:

    matrix    covariance of                                                   contains
    sampled   the means over seeds                                            samples + seeds × samples / k
    shared    (one seed − mean over seeds), mean over seeds, × k / (k − 1)    seeds × samples

The second term of `sampled` is the double count of the pigeonhole bootstrap (Owen 2007).

The variance of a contrast c over the seeds has k − 1 degrees of freedom only. `shared` is estimated from many samples,
and its structure is similar: corners with wrong labels vary more, and corners with the same initial weights vary
together. The variance over seeds is therefore modelled as `ratio` × c' shared c. The ratio is pooled over the shares,
with degrees of freedom after Box (1954). On digits (networks, four corners, 3,500 test samples) pooled variances were
off by up to 2×, pooled ratios by up to 1.35×.

The ratio of a contrast differs from the pooled one. As in Smyth (2004), ratios scatter about the pooled one like
variances with ALIKE degrees of freedom, and the estimate is the mean of the pooled and the contrast's own ratio (k − 1
degrees of freedom), weighted by degrees of freedom, but at least the pooled one. The constants were chosen on
simulations and digits, once for all settings; benchmarks/calibration.py measures the coverage of the intervals.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from assay.experiments.corner_metrics import CornerOutcome
from assay.experiments.corners import Corner, Design, interactions, shares
from assay.metrics.intervals import Noise

Floats = NDArray[np.float64]
ALIKE = 6.0
"""Degrees of freedom of the scatter of the contrasts' ratios."""
COMMON = 0.9
"""The mean of all trainings of a seed is one more contrast in the pool, limited to this quantile of its F distribution
under the ratio of the others. It may be far larger (seeds that draw the data), but it cancels in every share."""
NONE = 1e-9
LUCK = 0.6
"""Lower bound of the estimated ratio. The true ratio is at least 1; a smaller estimate is due to chance."""


@dataclass(frozen=True)
class Trainings:
    """Which corners share a trained model, and how trainings are compared."""

    members: Floats
    """(trainings, corners): 1 if the corner uses the model of the training."""
    pooled: Floats
    """(1 + contrasts, corners): contrasts that the ratio is pooled over, each of length 1: the mean of all trainings,
    then the shares. With two players that change trainings, their interaction is included: it adds a degree of freedom.
    The interactions of more players would outnumber the shares, and they vary less with the seed."""

    @classmethod
    def of(cls, plan: Design, names: Sequence[Hashable]) -> Trainings:
        """`names`: one for each corner of the plan; corners with equal names share a training."""
        members = np.array(
            [[name == one for name in names] for one in dict.fromkeys(names)], dtype=np.float64
        )
        loads = shares(plan) @ members.T
        if np.count_nonzero(np.abs(loads).max(1) > NONE) == 2:
            loads = np.vstack([loads, interactions(plan) @ members.T])
        loads = np.vstack([np.ones(len(members)), loads[np.abs(loads).max(1) > NONE]])
        loads = loads / np.linalg.norm(loads, axis=1, keepdims=True)
        return cls(members, loads @ (members / members.sum(1, keepdims=True)))


@dataclass(frozen=True)
class Moments:
    """Estimates that the noise is computed from. Leading axes: many attributions at once."""

    values: Floats
    """(…, corners, seeds)."""
    sampled: Floats
    """(…, corners, corners): bootstrap covariance of the means over seeds."""
    shared: Floats
    """(…, corners, corners): seed × sample noise of one seed; zeros for one seed."""


def moments(values: Floats, drawn: Floats) -> Moments:
    """Moments of values (corners, seeds) and bootstrap replicates (corners, seeds, b), without those with a NaN."""
    drawn = drawn[..., ~np.isnan(drawn).any((0, 1))]
    drawn = drawn - drawn.mean(-1, keepdims=True)
    corners, k, b = drawn.shape
    means = drawn.mean(1)
    rest = (drawn - means[:, None]).reshape(corners, k * b)
    return Moments(values, means @ means.T / (b - 1), rest @ rest.T / ((b - 1) * max(k - 1, 1)))


def noise(contrasts: Floats, found: Moments, trained: Trainings, floor: float = 0.0) -> Noise:
    """Noise (…, q) of contrasts (q, corners).

    Args:
        contrasts: Each sums to 0 over the corners.
        found: Values and covariances of the corners.
        trained: Which corners share a training.
        floor: Least variance of a paired difference: `CornerMetric.floor`.
    """
    k = found.values.shape[-1]
    of_mean, of_seed = _quadratic(contrasts, found.sampled), _quadratic(contrasts, found.shared)
    least = floor * reach(contrasts)
    of_mean = np.where(
        untrained(contrasts, trained),
        of_mean + least,
        _at_least(least, of_mean, of_mean + of_seed * (1 - 1 / k)),
    )
    if k == 1:
        nothing = np.zeros_like(of_mean)
        return Noise(nothing, nothing + 1, of_mean, nothing)
    ratio, freedom = _moderated(contrasts, found, of_seed, trained)
    believed = np.maximum(ratio, LUCK)
    return Noise(
        seeds=believed * of_seed / k,
        freedom=freedom * (believed / np.maximum(ratio, 1e-9)) ** 2,
        samples=np.maximum(of_mean - of_seed / k, 0),
        both=np.minimum(believed, 1) * of_seed / k,
    )


def _moderated(
    contrasts: Floats, found: Moments, of_seed: Floats, trained: Trainings
) -> tuple[Floats, Floats]:
    """(…, q), (…, q): ratio of each contrast, and its degrees of freedom. Contrasts of rulers have their own only."""
    more = found.values.shape[-1] - 1
    pooled, pooled_freedom = _pooled(found, trained.pooled)
    prior = 1 / (1 / pooled_freedom + 1 / ALIKE)
    own = (contrasts @ found.values).var(-1, ddof=1)
    own = np.divide(own, of_seed, out=np.zeros_like(own), where=of_seed > 0)
    prior, pooled = prior[..., None], pooled[..., None]
    ratio = np.maximum(pooled, (prior * pooled + more * own) / (prior + more))
    # the contrast's own k − 1, less the part that the pool contains already
    freedom = np.maximum(prior + more * np.maximum(1 - more / pooled_freedom[..., None], 0), 1)
    rulers = untrained(contrasts, trained)  # the pooled ratio is one of differences between trainings
    return np.where(rulers, np.maximum(own, 1), ratio), np.where(rulers, more, freedom + 0 * ratio)


def _pooled(found: Moments, rows: Floats) -> tuple[Floats, Floats]:
    """(…), (…): ratio pooled over `Trainings.pooled`, and its degrees of freedom (Box 1954)."""
    k, (common, rest) = found.values.shape[-1], (rows[:1], rows[1:])
    variance, expected = _seen(found, common)
    if len(rest) > 1:
        seen, due = _seen(found, rest)
        most = fdtri(k - 1, len(rest) * (k - 1), COMMON) * _divide(seen, due) * expected
        variance, expected = np.minimum(variance, most) + seen, expected + due
    elif len(rest):
        variance, expected = _seen(found, rows)
    shared = rows @ found.shared @ rows.T
    freedom = (k - 1) * _divide(expected**2, (shared**2).sum((-2, -1)))
    return _divide(variance, expected), freedom


def _seen(found: Moments, rows: Floats) -> tuple[Floats, Floats]:
    """(…), (…): observed variance over seeds, and the part of seeds × samples; sums over the contrasts `rows`."""
    return (rows @ found.values).var(-1, ddof=1).sum(-1), _quadratic(rows, found.shared).sum(-1)


def trainings(plan: Design, outcomes: Mapping[Corner, Sequence[CornerOutcome]], ruler: str) -> Trainings:
    """Which corners share a training: they differ in the ruler only, or their predictions are bitwise equal."""
    found: dict[bytes, Corner] = {}
    unit: dict[Corner, Corner] = {}
    for corner in plan.corners:
        name = corner - {ruler}
        if name not in unit:
            unit[name] = found.setdefault(_signature(outcomes[corner], ruler in corner), name)
    return Trainings.of(plan, [unit[corner - {ruler}] for corner in plan.corners])


def untrained(contrasts: Floats, trained: Trainings) -> NDArray[np.bool_]:
    """(q,): whether a contrast is one of rulers only: the weights of each training sum to 0.

    The floor is added to the variance of these: their few discordant samples often change in one direction.
    """
    return np.asarray(np.all(np.abs(contrasts @ trained.members.T) < NONE, axis=1))


def _at_least(least: Floats, of_mean: Floats, of_one: Floats) -> Floats:
    """`of_mean` times the factor that raises `of_one`, the variance of one seed's contrast, to `least`."""
    more = np.divide(least, of_one, out=np.ones_like(of_one), where=of_one > 0)
    return np.where(of_mean > 0, of_mean * np.maximum(more, 1), least)


def reach(contrasts: Floats) -> Floats:
    """(q,): square of the largest change of a contrast by one sample, if a sample changes each corner by 0 or 1."""
    most: Floats = (np.abs(contrasts).sum(1) / 2) ** 2
    return most


def _quadratic(contrasts: Floats, matrices: Floats) -> Floats:
    """(…, q): c' M c of each contrast."""
    result: Floats = ((contrasts @ matrices) * contrasts).sum(-1)
    return np.maximum(result, 0)


def _divide(above: Floats, below: Floats) -> Floats:
    """Quotient with 0/0 = 1: the ratio has no effect if nothing varies."""
    return np.divide(above, below, out=np.ones_like(below), where=below > 0)


def _signature(outcomes: Sequence[CornerOutcome], on_b: bool) -> bytes:
    digest = blake2b(bytes([on_b]))
    for one in outcomes:
        digest.update(one.judged.content[0])
    return digest.digest()
