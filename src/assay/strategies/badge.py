"""BADGE: images with large and diverse gradients, drawn by k-means++.

J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal: Deep Batch Active Learning by Diverse, Uncertain
Gradient Lower Bounds. ICLR 2020. The gradient of the last layer, if the likeliest class were right, is g = q ⊗ h with
q = p − e_ŷ and the embedding h. It is not stored, as ⟨g, g'⟩ = (q·q')(h·h'). The first pick is the longest gradient, as
in the authors' code; the others are drawn in proportion to their squared distance to the nearest pick (D. Arthur,
S. Vassilvitskii: k-means++. 2007), among the images that the rest of the budget pays for. Labelled images have no
gradient and cover nothing, as in the paper.

Distances to the nearest pick only fall, so earlier ones are upper bounds. Rejection sampling: an image is drawn in
proportion to its bound and kept with probability distance / bound. This gives the exact distribution without an update
of every image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation, affordable, two_likeliest
from assay.strategies._geometry import blocks, squared_norms

NEEDS = ("embeddings", "probabilities")

FEW, MANY = 256, 16_384
"""Images drawn at once: at first, and at most."""
NOTHING = 1e-12
"""Squared distances below this part of the squared lengths are rounding errors and count as 0."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> Rows:
    """About O(n·(d + classes)): one pass over the images, and little for each pick."""
    costs = pool.costs.astype(np.float64)
    open_ = ~pool.labelled & (costs <= budget)
    dearest = costs[costs <= budget].max(initial=0)
    picks: list[int] = []
    spent = 0.0
    for row in drawn(Gradients(pool), open_, rng):
        picks.append(row)
        spent += costs[row]
        if spent + dearest > budget:
            open_ &= spent + costs <= budget
    rest = affordable(np.flatnonzero(open_), pool.costs, budget - spent)  # all equal to a pick
    return np.concatenate([np.array(picks, np.int64), rest])


def explain(pool: Candidates, picks: Rows, categories: Sequence[str]) -> Explanation:
    """Score: distance of the gradient to the nearest earlier one."""
    gradients = Gradients(pool)
    gaps = gradients.lengths[picks]
    for block in blocks(len(picks), FEW):
        distances = gradients.between(picks[block], picks[: block.stop])
        earlier = np.arange(block.stop) < np.arange(block.start, block.stop)[:, None]
        gaps[block] = np.where(earlier, distances, np.inf).min(axis=1, initial=np.inf)
    gaps[:1] = gradients.lengths[picks[:1]]
    pairs = [" or ".join(categories[c] for c in row) for row in two_likeliest(pool.beliefs[picks])]
    return [
        (gap, f"its gradient is {gap:.3g} from those queued before it: perhaps {pair}")
        for gap, pair in zip(np.sqrt(gaps).tolist(), pairs, strict=True)
    ]


class Gradients:
    """The gradient of every image, by its two factors."""

    def __init__(self, pool: Candidates) -> None:
        self.X, self.P = np.asarray(pool.embeddings), pool.beliefs
        self.likeliest = np.zeros(len(self.P), np.int64)
        self.lengths = np.zeros(len(self.P))
        """(n,) ‖g‖²; 0 without probabilities"""
        for block in blocks(len(self.P)):
            rows = np.flatnonzero(~pool.labelled[block]) + block.start
            self.likeliest[rows] = self.P[rows].argmax(axis=1)
            q = squared_norms(self.errors(rows)).astype(np.float64)
            self.lengths[rows] = q * squared_norms(self.X[rows])

    def errors(self, rows: Rows) -> NDArray[np.float32]:
        """(rows, classes) q = p − e_ŷ"""
        Q = self.P[rows]
        Q[np.arange(len(rows)), self.likeliest[rows]] -= 1
        return Q

    def between(self, rows: Rows, others: Rows) -> Floats:
        """(rows, others) squared distances in double precision; rounding errors are set to 0."""
        Q, R = self.errors(rows).astype(np.float64), self.errors(others).astype(np.float64)
        H, K = self.X[rows].astype(np.float64), self.X[others].astype(np.float64)
        both = _lengths(Q, H)[:, None] + _lengths(R, K)
        distances = both - 2 * (Q @ R.T) * (H @ K.T)
        return np.where(distances > NOTHING * both, distances, 0)

    def nearest(self, rows: Rows, others: Rows) -> Floats:
        """(rows,) squared distance to the nearest of `others`."""
        near = np.empty(len(rows))
        for block in blocks(len(rows)):
            near[block] = self.between(rows[block], others).min(axis=1)
        return near

    def at_most(self, rows: Rows, other: int) -> Floats:
        """(rows,) upper bounds of the squared distances to one image, from products in single precision."""
        q, h = self.errors(np.array([other]))[0], self.X[other]
        along = (self.errors(rows) @ q).astype(np.float64) * (self.X[rows] @ h)
        both = self.lengths[rows] + self.lengths[other]
        error = 1e-6 * (self.X.shape[1] + len(q)) * both  # 8 units for each of the products
        return np.asarray(np.maximum(both - 2 * along, 0) + error)


def drawn(gradients: Gradients, open_: NDArray[np.bool_], rng: np.random.Generator) -> Iterator[int]:
    """Rows by k-means++ with rejection sampling; closes each pick. The caller may close rows in `open_` meanwhile.

    Ends when every open row equals a pick.
    """
    if not open_.any():
        return
    picks = [int(np.where(open_, gradients.lengths, -np.inf).argmax())]
    open_[picks] = False
    yield picks[0]
    bounds = _first_bounds(gradients, picks[0])
    known, refused, count = 1, 0, FEW
    while (total := np.cumsum(np.where(open_, bounds, 0)))[-1:] > 0:
        chance, lot = rng.random((2, count))
        rows = np.minimum(np.searchsorted(total, chance * total[-1], side="right"), total.argmax())
        before = len(picks)
        near = gradients.nearest(rows, np.array(picks))
        among = gradients.between(rows, rows) if count == FEW else None
        turn = 0
        while len(kept := np.flatnonzero(open_[rows[turn:]] & (lot * bounds[rows] < near)[turn:])):
            turn += int(kept[0])
            picks.append(int(rows[turn]))
            open_[rows[turn]] = False
            yield picks[-1]
            new = gradients.nearest(rows, rows[[turn]]) if among is None else among[:, turn]
            near = np.minimum(near, new)
        bounds[rows] = np.minimum(bounds[rows], near)
        refused += count - (len(picks) - before)
        count = FEW if len(picks) > before else min(2 * count, MANY)
        if (
            refused * len(picks) > len(bounds) * (len(picks) - known) > 0
        ):  # as dear as bringing all up to date
            rows = np.flatnonzero(open_)
            bounds[rows] = np.minimum(bounds[rows], gradients.nearest(rows, np.array(picks[known:])))
            known, refused = len(picks), 0


def _first_bounds(gradients: Gradients, first: int) -> Floats:
    """(n,) upper bounds of the squared distance to the first pick."""
    bounds = np.zeros(len(gradients.lengths))
    for block in blocks(len(bounds)):
        rows = np.arange(block.start, block.stop)
        bounds[block] = gradients.at_most(rows, first)
    return bounds


def _lengths(Q: Floats, H: Floats) -> Floats:
    lengths: Floats = np.einsum("nc,nc->n", Q, Q) * np.einsum("nd,nd->n", H, H)
    return lengths
