"""The noise of contrasts: how much of it is due to the seeds, and how much to the finite test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from assay.attribution.corners import Corner, Plan
from assay.attribution.intervals import Noise
from assay.attribution.measured import Outcome

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trainings:
    """Which corners share their models: those that differ in the ruler only, or whose predictions are the same bits.

    Seeds make noise between trainings: much of it. Between two rulers of one training there is only the seed × sample
    noise. So the two are told apart (as in a split plot: Yates 1935).
    """

    mean: Floats
    """(u, corners): the mean of a training's corners."""
    step: Floats
    """(v, corners): B's ruler − A's, of the trainings that were judged on both."""

    def seeds(self, contrasts: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Variance (…, q) of contrasts (q, corners) of the seeds' mean of values (…, corners, seeds), and its freedom.

        The residuals of trainings × seeds are pooled: what all trainings of a seed have in common cancels.
        """
        k = values.shape[-1]
        among = self.mean @ values
        among = among - among.mean(-1, keepdims=True)
        among = among - among.mean(-2, keepdims=True)
        within = self.step @ values
        within = within - within.mean(-1, keepdims=True)
        variances, freedoms = [], []
        for residuals, loads, freedom in (
            (among, self._loads(contrasts)[0], (len(self.mean) - 1) * (k - 1)),
            (within, self._loads(contrasts)[1], len(self.step) * (k - 1)),
        ):
            pooled = (residuals**2).sum((-2, -1)) / max(freedom, 1)
            variances.append(pooled[..., None] * (loads**2).sum(1) / k)
            freedoms.append(max(freedom, 1))
        whole = variances[0] + variances[1]
        parts = sum(v**2 / f for v, f in zip(variances, freedoms, strict=True))
        freedom = np.divide(whole**2, parts, out=np.full_like(whole, np.inf), where=parts > 0)
        return whole, freedom

    def _loads(self, contrasts: Floats) -> tuple[Floats, Floats]:
        """(q, u) on the trainings' means and (q, v) on their steps between rulers, which make up the contrasts."""
        both = np.concatenate([self.mean, self.step])
        loads = contrasts @ np.linalg.pinv(both)
        return loads[:, : len(self.mean)], loads[:, len(self.mean) :]


def trainings(plan: Plan, outcomes: Mapping[Corner, Sequence[Outcome]], ruler: str) -> Trainings:
    """Corners by training."""
    on_b = np.array([ruler in corner for corner in plan.corners])
    names = [corner - {ruler} for corner in plan.corners]
    found: dict[bytes, frozenset[str]] = {}
    same: dict[frozenset[str], frozenset[str]] = {}
    for corner, name in zip(plan.corners, names, strict=True):
        if name not in same:
            same[name] = found.setdefault(_signature(outcomes[corner], ruler in corner), name)
    units = list(dict.fromkeys(same.values()))
    member = np.array([[same[name] == unit for name in names] for unit in units], dtype=np.float64)
    on_a, on_b = member * ~on_b, member * on_b
    a, b = (rows / np.maximum(rows.sum(1, keepdims=True), 1) for rows in (on_a, on_b))
    both = (on_a.sum(1) > 0) & (on_b.sum(1) > 0)
    mean = (a + b) / (1 + both)[:, None]
    return Trainings(mean, (b - a)[both])


def of_contrasts(contrasts: Floats, values: Floats, drawn: Floats, floor: float, trained: Trainings) -> Noise:
    """Noise (q,) of contrasts (q, corners) of values (corners, seeds) with replicates (corners, seeds, b)."""
    k = values.shape[-1]
    phi = np.tensordot(contrasts, drawn, axes=(1, 0))  # (q, seeds, b)
    of_mean = np.nanvar(phi.mean(1), axis=-1, ddof=1)
    of_each = np.nanvar(phi, axis=-1, ddof=1).mean(1)
    seeds, freedom = trained.seeds(contrasts, values) if k > 1 else (np.zeros_like(of_mean),) * 2
    return combine(seeds, freedom, of_mean, of_each, floor * reach(contrasts), k)


def combine(seeds: Floats, freedom: Floats, of_mean: Floats, of_each: Floats, floor: Floats, k: int) -> Noise:
    """Noise from the seeds' variance and the bootstrap variances of the mean over k seeds and (mean) of one seed."""
    both = np.maximum(of_each - of_mean, 0) / max(k - 1, 1) if k > 1 else np.zeros_like(of_mean)
    return Noise(seeds, freedom, np.maximum(of_mean - both, 0) + floor, both)


def reach(contrasts: Floats) -> Floats:
    """(q,): square of the most that one sample can change a contrast by, in units of the metric."""
    most: Floats = (np.abs(contrasts).sum(1) / 2) ** 2
    return most


def _signature(outcomes: Sequence[Outcome], on_b: bool) -> bytes:
    digest = blake2b(bytes([on_b]))
    for one in outcomes:
        digest.update(np.ascontiguousarray(one.judged.probabilities).tobytes())
    return digest.digest()
