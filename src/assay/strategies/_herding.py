"""Greedy maximisation of kernel coverage, for `maxherding` and `uncertainty_herding`.

The objective is Σₓ wₓ maxₛ k(x, s) over all images x, with s over the labelled and chosen images and a Gaussian kernel
k. It is monotone and submodular: the greedy choice reaches at least 1 − 1/e of the maximum, and an earlier gain of a
candidate bounds its present gain. Only candidates with the highest bounds are evaluated again (lazy evaluation;
M. Minoux: Accelerated greedy algorithms for maximizing submodular set functions. 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, affordable

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLOCK = 512
"""Rows whose kernel is evaluated at once: limits the memory to BLOCK × reference values."""
FEW, MANY = 16, 256
"""Candidates evaluated at once in the search for one pick: at first, and at most."""


@dataclass(frozen=True)
class Sample:
    """The unlabelled rows that are considered, as points on the unit sphere around the mean."""

    rows: Ints
    """(m,) candidates, ascending"""
    reference: Ints
    """(r,) positions in `rows` that the coverage is measured on"""
    points: Floats
    """(m, d)"""
    centre: Floats
    """(d,)"""


def draw(pool: Candidates, reference: int, candidates: int, rng: np.random.Generator) -> Sample:
    """All unlabelled rows; with more than `reference`, so many `candidates` and `reference` rows drawn at random."""
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
    """(d,) mean of the points; 0 without points."""
    mean: Floats = (points.sum(0, dtype=np.float64) / max(len(points), 1)).astype(np.float32)
    return mean


def on_sphere(X: Floats, centre: Floats) -> Floats:
    """(n, d) unit vectors from the centre to the rows of X; 0 for a row in the centre."""
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
    """(m,) coverage maxₛ k(x, s) of each of `points` (m, d), s over `by`; 0 if that is empty."""
    best = np.zeros(len(points), np.float32)
    for start in range(0, len(by), BLOCK):
        for first in range(0, len(points), BLOCK):
            part = kernel(points[first : first + BLOCK], by[start : start + BLOCK], radius).max(axis=1)
            np.maximum(best[first : first + BLOCK], part, out=best[first : first + BLOCK])
    return best


def herd(pool: Candidates, sample: Sample, weights: Floats, radius: float, budget: float) -> Ints:
    """Rows by greedy choice: at each turn the largest gain of coverage per cost. `weights` (m,): wₓ of the sample."""
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
    """State of the greedy maximisation: coverage, picks, and upper bounds of the gains of the other candidates."""

    def __init__(self, sample: Sample, weights: Floats, radius: float, covered: Floats) -> None:
        self.points, self.radius = sample.points, radius
        self.weights, self.own = weights[sample.reference], weights
        self.reference = sample.points[sample.reference]
        self.is_reference = np.zeros(len(sample.rows), bool)
        self.is_reference[sample.reference] = True
        self.covered = covered
        """(m,) coverage of the candidates after the first `seen` picks"""
        self.reached = covered[sample.reference]
        """(r,) coverage of the reference after all picks"""
        self.open = np.ones(len(sample.rows), bool)
        self.picks: list[int] = []
        self.seen = np.zeros(len(sample.rows), np.int64)
        """(m,) number of picks that the bound of each candidate accounts for"""
        self.bounds = np.full(len(sample.rows), np.inf)
        for start in range(0, len(self.points), BLOCK):
            self._look(np.arange(start, min(start + BLOCK, len(self.points))))

    def best(self, open_: NDArray[np.bool_], costs: NDArray[np.float64]) -> int:
        """Choose the open candidate with the largest gain per cost; ties go to the earlier one."""
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
        """Evaluate the gains of some candidates."""
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
        """Gains of `rows`: the candidate's own part is exact, that of all others is estimated from the reference."""
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
    """Five significant digits, the accuracy of single precision: ties then do not depend on the block size."""
    units: NDArray[np.float64] = 10.0 ** (np.floor(np.log10(np.maximum(values, 1e-300))) - 4)
    return np.round(values / units) * units


def _nth(values: NDArray[np.float64], count: int) -> float:
    """The `count`-th largest value."""
    place = max(len(values) - count, 0)
    return float(np.partition(values, place)[place])


def explanations(pool: Candidates, picks: Ints, radius: float) -> list[tuple[float, str]]:
    """(score, reason) of each pick: 1 − its coverage at its turn, 0…1."""
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
        (
            1 - value,
            f"represents similar images: similarity {value:.0%} to the nearest labelled or queued one",
        )
        for value in likest.astype(float).tolist()
    ]
