"""TypiClust: the most typical image of each cluster that has no label yet, of the largest cluster first.

G. Hacohen, A. Dekel, D. Weinshall: Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets. ICML
2022. Typicality is the inverse of the mean distance to the 20 nearest neighbours within the cluster. There are as many
clusters as labels, those asked for included; where that is more than `max_clusters`, those with the fewest labels have
their turn. As in the authors' code, clusters of five or less come last. Needs no model: for the first labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from math import ceil
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from assay.params.bounds import within
from assay.strategies import Candidates, Explanation, spend
from assay.strategies._clusters import MOST, assigned, centres
from assay.strategies._geometry import (
    blocks,
    canonical,
    distance_error,
    gaps_at_turn,
    squared_distances,
    squared_norms,
)

NEEDS_MODEL = False
NEEDS_EMBEDDINGS = True
NESTED = False

NEIGHBOURS = 20
TINY = 5
"""A cluster of this size is taken for a stray."""
DOUBTFUL = 256
"""Images at most whose typicality is computed anew where single precision cannot tell which is the highest."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    max_clusters: Annotated[int, within(1, 100_000)] = 500,
    members: Annotated[int, within(1, 100_000)] = 1_000,
) -> Rows:
    """O(n·d·clusters). Of a cluster of more than `members`, so many drawn at random stand for it."""
    home = clustered(pool.embeddings, min(int(pool.labelled.sum()) + ceil(budget), max_clusters), rng)
    X, known = pool.embeddings, pool.labelled
    return spend(lambda open_: in_turn(X, home, known, open_, members, rng), pool, budget)


def explain(pool: Candidates, picks: Rows, categories: Sequence[str]) -> Explanation:
    """How far each is from everything labelled or queued before it."""
    gaps = gaps_at_turn(pool.embeddings, picks, np.flatnonzero(pool.labelled))
    return [
        (gap, f"typical of its cluster, and {gap:.3g} from the nearest labelled or queued image")
        if np.isfinite(gap)
        else (0.0, "typical of the largest cluster")
        for gap in gaps.tolist()
    ]


def clustered(X: NDArray[np.float32], clusters: int, rng: np.random.Generator) -> Rows:
    """(n,) the cluster of each row by k-means, which is trained on MOST rows drawn at random where there are more."""
    if clusters >= len(X):
        return np.arange(len(X))
    seed = int(rng.integers(2**31))
    drawn = np.sort(rng.permutation(len(X))[:MOST])
    points = centres(np.asarray(X[drawn]), clusters, seed)
    return np.concatenate([assigned(np.asarray(X[block]), points)[0] for block in blocks(len(X), MOST)])


def in_turn(
    X: NDArray[np.float32],
    home: Rows,
    labelled: NDArray[np.bool_],
    open_: NDArray[np.bool_],
    members: int,
    rng: np.random.Generator,
) -> Iterator[int]:
    """The most typical open row of the cluster whose turn it is, until none is open; each is closed.

    First those with the fewest labels and picks, of these the largest, of these the first.
    """
    order = np.argsort(home, kind="stable")
    names, starts = np.unique(home[order], return_index=True)
    clusters = {int(name): rows for name, rows in zip(names, np.split(order, starts[1:]), strict=True)}
    queue = [
        (len(rows) <= TINY, int(labelled[rows].sum()), -len(rows), name) for name, rows in clusters.items()
    ]
    heapify(queue)
    known: dict[int, Cluster] = {}
    while queue:
        tiny, count, size, name = queue[0]
        if name not in known:
            known[name] = Cluster(X, clusters[name], members, rng)
        if (row := known[name].most_typical(open_)) is None:
            heappop(queue)
            continue
        open_[row] = False
        yield row
        heapreplace(queue, (tiny, count + 1, size, name))


class Cluster:
    """Its rows, and an interval for the mean distance of each to its nearest neighbours among them."""

    def __init__(self, X: NDArray[np.float32], rows: Rows, members: int, rng: np.random.Generator) -> None:
        self.X, self.all = X, rows
        self.rows = rows if len(rows) <= members else np.sort(rng.permutation(rows)[:members])
        self.neighbours = min(NEIGHBOURS, len(self.rows) - 1)
        Y = X[self.rows]
        self.lower, self.upper = self._intervals(Y - Y.mean(axis=0))

    def most_typical(self, open_: NDArray[np.bool_]) -> int | None:
        """The open row with the smallest mean distance, of equal ones the earliest; None where none is open."""
        at = np.flatnonzero(open_[self.rows])
        if not len(at):  # beyond those drawn: as they come
            rest = self.all[open_[self.all]]
            return int(rest[0]) if len(rest) else None
        doubtful = at[self.lower[at] <= self.upper[at].min()][:DOUBTFUL]
        unknown = doubtful[self.lower[doubtful] < self.upper[doubtful]]
        if len(doubtful) > 1 and len(unknown):
            self.lower[unknown] = self.upper[unknown] = [self._mean_distance(i) for i in unknown]
            return self.most_typical(open_)
        return int(self.rows[doubtful[self.upper[doubtful].argmin()]])

    def _intervals(self, Y: NDArray[np.float32]) -> tuple[Floats, Floats]:
        norms = squared_norms(Y)
        error = distance_error(Y.shape[1], norms, norms)[:, None]
        near = np.zeros((len(Y), self.neighbours))
        for block in blocks(len(Y) if self.neighbours else 0):
            distances = squared_distances(Y, norms, Y[block], norms[block])
            distances[np.arange(len(distances)), np.arange(block.start, block.stop)] = np.inf
            near[block] = np.partition(distances, self.neighbours - 1, axis=1)[:, : self.neighbours]
        return _mean_root(near - error), _mean_root(near + error)

    def _mean_distance(self, at: int) -> float:
        distances = np.delete(canonical(self.X[self.rows], self.X[self.rows[at]]), at)
        return float(np.sqrt(np.sort(distances)[: self.neighbours]).sum() / max(self.neighbours, 1))


def _mean_root(squares: Floats) -> Floats:
    roots: Floats = np.sqrt(np.maximum(squares, 0)).sum(axis=1) / max(squares.shape[1], 1)
    return roots
