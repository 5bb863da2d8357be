"""The noise of contrasts: how much of it is due to the seeds, and how much to the finite test set.

With the same k seeds for every corner and one test set, a corner's value varies with the samples, with the seeds, and
with seeds × samples: which samples a seed gets right. The paired bootstrap over samples tells two of them apart:

    sampled  covariance of the corners' means over seeds                 samples + seeds × samples / k
    shared   mean over seeds of that of (one seed − mean), × k/(k − 1)   seeds × samples

(Owen's (2007) pigeonhole bootstrap is about the same double count.) The seeds' own noise, beyond the test samples, is
seen k times only. But its shape shows in `shared`, which the many samples tell: corners that are noisy (wrong labels),
corners that go up and down together (the same initial weights). So a contrast's variance over seeds is taken as a
`ratio` of its `shared`, and the ratio is pooled from the shares, with Box's (1954) degrees of freedom. On digits
(networks, four corners, 3,500 test samples) pooled variances were off by up to 2×, pooled ratios by up to 1.35×.

What is left of that is treated as in Smyth (2004): ratios of contrasts differ from the pooled one as variances with
ALIKE degrees of freedom do, and each contrast's own ratio counts with its k − 1, where it is the larger. The constants
were set on simulations and on digits, once for all settings: benchmarks/calibration.py says what they give.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from assay.experiments.corner_metrics import Outcome
from assay.experiments.corners import Corner, Design, interactions, shares
from assay.metrics.intervals import Noise

Floats = NDArray[np.float64]
ALIKE = 6.0
"""Degrees of freedom of how alike the contrasts' ratios are."""
COMMON = 0.9
"""What all trainings of a seed have in common counts as one contrast more, but no further than to this quantile of what
it would be with the others' ratio: it may well be larger (seeds that draw the data), and cancels in every share."""
NONE = 1e-9
LUCK = 0.6
"""Ratios are 1 and more: a smaller one was luck, and is not believed below this."""


@dataclass(frozen=True)
class Trainings:
    """Which corners share a trained model, and how trainings are compared."""

    members: Floats
    """(trainings, corners): 1 where the corner is of the training."""
    pooled: Floats
    """(1 + contrasts, corners): what the ratio is pooled from: the mean of all trainings, then the shares, each of
    length 1. Of two players that change trainings the interaction too: it adds a degree of freedom. Those of more would
    drown the shares, and seeds shake an interaction less than a share."""

    @classmethod
    def of(cls, plan: Design, names: Sequence[Hashable]) -> Trainings:
        """names: of each corner's training, in the plan's order."""
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
    """What the noise is estimated from. May have leading axes: many attributions at once."""

    values: Floats
    """(…, corners, seeds)."""
    sampled: Floats
    """(…, corners, corners): bootstrap covariance of the means over seeds."""
    shared: Floats
    """(…, corners, corners): seed × sample noise of one seed; zeros for one seed."""


def moments(values: Floats, drawn: Floats) -> Moments:
    """From values (corners, seeds) and bootstrap replicates (corners, seeds, b); undefined ones are left out."""
    drawn = drawn[..., ~np.isnan(drawn).any((0, 1))]
    drawn = drawn - drawn.mean(-1, keepdims=True)
    corners, k, b = drawn.shape
    means = drawn.mean(1)
    rest = (drawn - means[:, None]).reshape(corners, k * b)
    return Moments(values, means @ means.T / (b - 1), rest @ rest.T / ((b - 1) * max(k - 1, 1)))


def noise(contrasts: Floats, found: Moments, trained: Trainings, floor: float = 0.0) -> Noise:
    """Noise (…, q) of contrasts (q, corners).

    Args:
        contrasts: Each sums to zero over the corners.
        found: Values and covariances of the corners.
        trained: Which corners share their models.
        floor: Variance below which a paired difference is not believed: see `measured`.
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
    """(…, q), (…, q): ratio of each contrast, and its degrees of freedom."""
    more = found.values.shape[-1] - 1
    pooled, pooled_freedom = _pooled(found, trained.pooled)
    prior = 1 / (1 / pooled_freedom + 1 / ALIKE)
    own = (contrasts @ found.values).var(-1, ddof=1)
    own = np.divide(own, of_seed, out=np.zeros_like(own), where=of_seed > 0)
    prior, pooled = prior[..., None], pooled[..., None]
    ratio = np.maximum(pooled, (prior * pooled + more * own) / (prior + more))
    # its own seeds are in the pool already, in part
    freedom = np.maximum(prior + more * np.maximum(1 - more / pooled_freedom[..., None], 0), 1)
    rulers = untrained(contrasts, trained)  # how trainings differ says nothing of them: by themselves
    return np.where(rulers, np.maximum(own, 1), ratio), np.where(rulers, more, freedom + 0 * ratio)


def _pooled(found: Moments, rows: Floats) -> tuple[Floats, Floats]:
    """(…), (…): variance over seeds / seed × sample noise, pooled over `Trainings.pooled`, and its freedom."""
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
    """(…), (…): variance over seeds that was seen, and that of seeds × samples alone; sums over contrasts."""
    return (rows @ found.values).var(-1, ddof=1).sum(-1), _quadratic(rows, found.shared).sum(-1)


def trainings(plan: Design, outcomes: Mapping[Corner, Sequence[Outcome]], ruler: str) -> Trainings:
    """Corners that share their models: they differ in the ruler only, or their predictions are the same bits."""
    found: dict[bytes, Corner] = {}
    unit: dict[Corner, Corner] = {}
    for corner in plan.corners:
        name = corner - {ruler}
        if name not in unit:
            unit[name] = found.setdefault(_signature(outcomes[corner], ruler in corner), name)
    return Trainings.of(plan, [unit[corner - {ruler}] for corner in plan.corners])


def untrained(contrasts: Floats, trained: Trainings) -> NDArray[np.bool_]:
    """(q,): contrasts of rulers only, in which each training cancels.

    Their few discordant samples often all point one way, so that the floor is added to their variance.
    """
    return np.asarray(np.all(np.abs(contrasts @ trained.members.T) < NONE, axis=1))


def _at_least(least: Floats, of_mean: Floats, of_one: Floats) -> Floats:
    """The variance of the mean over seeds, enlarged as that of one seed's contrast would have to be."""
    more = np.divide(least, of_one, out=np.ones_like(of_one), where=of_one > 0)
    return np.where(of_mean > 0, of_mean * np.maximum(more, 1), least)


def reach(contrasts: Floats) -> Floats:
    """(q,): square of the most that one sample can change a contrast by, where it changes a corner by 0 or 1."""
    most: Floats = (np.abs(contrasts).sum(1) / 2) ** 2
    return most


def _quadratic(contrasts: Floats, matrices: Floats) -> Floats:
    """(…, q): c' M c of each contrast."""
    result: Floats = ((contrasts @ matrices) * contrasts).sum(-1)
    return np.maximum(result, 0)


def _divide(above: Floats, below: Floats) -> Floats:
    """0/0 is 1: where nothing varies, the ratio does not matter."""
    return np.divide(above, below, out=np.ones_like(below), where=below > 0)


def _signature(outcomes: Sequence[Outcome], on_b: bool) -> bytes:
    digest = blake2b(bytes([on_b]))
    for one in outcomes:
        digest.update(one.judged.content[0])
    return digest.digest()
