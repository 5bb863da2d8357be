"""Greedy coverage by a Gaussian kernel: what `maxherding` and `uncertainty_herding` have in common.

The objective is Σₓ wₓ maxₛ k(x, s) over all images x, where s runs over what is labelled or chosen. It is monotone and
submodular, so the greedy choice is within 1 − 1/e of the best, and a gain computed earlier bounds the gain of now:
only the candidates whose bound leads are looked at again (M. Minoux: Accelerated greedy algorithms. 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, affordable

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 512
"""Rows whose kernel is evaluated at once: bounds the memory to BLOCK × reference values."""
FEW, MANY = 16, 256
"""Candidates that are looked at again at once, at first and at most, in the search for one pick."""


@dataclass(frozen=True)
class Sample:
    """The unlabelled rows that are looked at, as points on the unit sphere around the mean."""

    rows: Ints
    """(m,) candidates, ascending"""
    reference: Ints
    """(r,) which of `rows` the coverage is measured on"""
    points: Floats
    """(m, d)"""
    centre: Floats
    """(d,)"""


def draw(pool: Candidates, reference: int, candidates: int, rng: np.random.Generator) -> Sample:
    """All unlabelled rows where there are no more than `reference` or `candidates`, a random part otherwise."""
    rows = pool.unlabelled
    measured = np.arange(len(rows))
    if len(rows) > reference:
        order = rng.permutation(len(rows))
        chosen = np.sort(order[: max(candidates, reference)])
        measured = np.sort(np.searchsorted(chosen, order[:reference]))
        rows = rows[chosen]
    points = np.asarray(pool.embeddings[rows], np.float32)
    centre = middle(points)
    return Sample(rows, measured, on_sphere(points, centre), centre)


def middle(points: Floats) -> Floats:
    """(d,) the mean; of no points at all, zero."""
    mean: Floats = (points.sum(0, dtype=np.float64) / max(len(points), 1)).astype(np.float32)
    return mean


def on_sphere(X: Floats, centre: Floats) -> Floats:
    """(n, d) the directions from the centre, of length 1; what lies in the centre is like nothing."""
    points = X - centre
    lengths = np.sqrt(np.einsum("nd,nd->n", points, points))[:, None]
    directions: Floats = np.divide(points, lengths, out=points, where=lengths > 0)
    return directions


def kernel(A: Floats, B: Floats, radius: float) -> Floats:
    """(a, b) exp(−‖a − b‖² / radius²) of points on the unit sphere."""
    values = A @ B.T
    values -= 1
    values *= 2 / radius**2
    np.minimum(values, 0, out=values)
    np.exp(values, out=values)
    return values


def covered(points: Floats, by: Floats, radius: float) -> Floats:
    """(m,) how well each of `points` (m, d) is covered by the nearest of `by`; 0 without any."""
    best = np.zeros(len(points), np.float32)
    for start in range(0, len(by), BLOCK):
        for first in range(0, len(points), BLOCK):
            part = kernel(points[first : first + BLOCK], by[start : start + BLOCK], radius).max(axis=1)
            np.maximum(best[first : first + BLOCK], part, out=best[first : first + BLOCK])
    return best


def herd(pool: Candidates, sample: Sample, weights: Floats, radius: float, budget: float) -> Ints:
    """The rows that add most to the coverage for their cost, each given those before it; best first.

    `weights` (m,) says how much it matters to cover each row of the sample.
    """
    greedy = Greedy(sample, weights, radius, covered(sample.points, labelled_points(pool, sample), radius))
    costs = pool.costs[sample.rows].astype(np.float64)
    picks: list[int] = []
    left = float(budget)
    while (open_ := greedy.open & (costs <= left)).any():
        pick = greedy.best(open_, costs)
        picks.append(pick)
        left -= costs[pick]
    chosen = sample.rows[np.array(picks, np.int64)]
    rest = np.setdiff1d(pool.unlabelled, sample.rows)
    return np.concatenate([chosen, affordable(rest, pool.costs, left)])


def labelled_points(pool: Candidates, sample: Sample) -> Floats:
    """(labelled, d)"""
    return on_sphere(np.asarray(pool.embeddings[pool.labelled], np.float32), sample.centre)


class Greedy:
    """The state of a greedy maximisation: what is covered, what is chosen, and bounds of what the rest would add."""

    def __init__(self, sample: Sample, weights: Floats, radius: float, covered: Floats) -> None:
        self.points, self.radius = sample.points, radius
        self.weights, self.own = weights[sample.reference], weights
        self.reference = sample.points[sample.reference]
        self.is_reference = np.zeros(len(sample.rows), bool)
        self.is_reference[sample.reference] = True
        self.covered = covered
        """(m,) of the candidates, up to date where `seen` says so"""
        self.reached = covered[sample.reference]
        """(r,) of the reference, always up to date"""
        self.open = np.ones(len(sample.rows), bool)
        self.picks: list[int] = []
        self.seen = np.zeros(len(sample.rows), np.int64)
        """(m,) how many picks the bound of each candidate has taken into account"""
        self.bounds = np.full(len(sample.rows), np.inf)
        for start in range(0, len(self.points), BLOCK):
            self._look(np.arange(start, min(start + BLOCK, len(self.points))))

    def best(self, open_: NDArray[np.bool_], costs: NDArray[np.float64]) -> int:
        """Choose the open candidate that adds most for its cost; ties go to the earlier one."""
        worth = np.where(open_, self.bounds / costs, -np.inf)
        count = FEW
        while True:
            lead = int(np.argmax(worth))
            if self.seen[lead] == len(self.picks):
                return self._take(lead)
            stale = np.flatnonzero(open_ & (self.seen < len(self.picks)) & (worth >= _nth(worth, count)))[
                :MANY
            ]
            self._look(stale)
            worth[stale] = self.bounds[stale] / costs[stale]
            count = min(2 * count, MANY)

    def _look(self, rows: Ints) -> None:
        """Bring the bounds of some candidates up to date."""
        points = self.points[rows]
        since = int(self.seen[rows].min())
        if len(self.picks) > since:
            news = kernel(points, self.points[self.picks[since:]], self.radius).max(axis=1)
            self.covered[rows] = np.maximum(self.covered[rows], news)
        gains = kernel(points, self.reference, self.radius)
        gains -= self.reached
        np.maximum(gains, 0, out=gains)
        self.bounds[rows] = rounded(self._scaled(rows, gains @ self.weights))
        self.seen[rows] = len(self.picks)

    def _scaled(self, rows: Ints, sums: Floats) -> NDArray[np.float64]:
        """Its own part of the gain is known of each candidate; that of all others is estimated on the reference."""
        own = (self.own[rows] * (1 - self.covered[rows])).astype(np.float64)
        inside = self.is_reference[rows]
        others = np.maximum(sums - np.where(inside, own, 0), 0)
        m, r = len(self.points), len(self.reference)
        gains: NDArray[np.float64] = own + others * (m - 1) / np.maximum(r - inside, 1)
        return gains

    def _take(self, pick: int) -> int:
        self.open[pick] = False
        self.picks.append(pick)
        news = kernel(self.points[[pick]], self.reference, self.radius)[0]
        np.maximum(self.reached, news, out=self.reached)
        return pick


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """To five significant digits, what single precision can promise: so that ties are ties, whatever the block was."""
    units: NDArray[np.float64] = 10.0 ** (np.floor(np.log10(np.maximum(values, 1e-300))) - 4)
    return np.round(values / units) * units


def _nth(values: NDArray[np.float64], count: int) -> float:
    """The count-th largest."""
    place = max(len(values) - count, 0)
    return float(np.partition(values, place)[place])


def told(pool: Candidates, picks: Ints, radius: float) -> list[tuple[float, str]]:
    """For each pick how little it was covered at its turn, 0…1, in words too."""
    some = pool.embeddings[
        np.linspace(0, len(pool.labelled) - 1, min(len(pool.labelled), MANY)).astype(np.int64)
    ]
    centre = middle(np.asarray(some, np.float32))
    points = on_sphere(np.asarray(pool.embeddings[picks], np.float32), centre)
    known = on_sphere(np.asarray(pool.embeddings[pool.labelled], np.float32), centre)
    likest = covered(points, known, radius)
    for turn in range(1, len(points)):
        likest[turn:] = np.maximum(likest[turn:], kernel(points[turn:], points[[turn - 1]], radius)[:, 0])
    return [
        (1 - value, f"stands for images like it: {value:.0%} like the nearest labelled or queued one")
        for value in likest.astype(float).tolist()
    ]
