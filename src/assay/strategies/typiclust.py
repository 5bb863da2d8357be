"""TypiClust: the most typical image of each cluster without a label, the largest cluster first.

G. Hacohen, A. Dekel, D. Weinshall: Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets. ICML
2022. Typicality is the inverse of the mean distance to the 20 nearest neighbours within the cluster. The number of
clusters is that of the labels, queued images included, at most `max_clusters`; clusters with the fewest labels come
first. As in the authors' code, clusters of five or fewer images come last. Needs no model: for the first labels.
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

NEEDS = ("embeddings",)
NESTED = False

NEIGHBOURS = 20
TINY = 5
"""Clusters of this size or smaller come last."""
DOUBTFUL = 256
"""Most images whose typicality is computed in double precision when single precision cannot decide."""

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
    """O(n·d·clusters). A cluster with more than `members` images is represented by so many drawn at random."""
    home = clustered(pool.embeddings, min(int(pool.labelled.sum()) + ceil(budget), max_clusters), rng)
    X, known = pool.embeddings, pool.labelled
    return spend(lambda open_: in_turn(X, home, known, open_, members, rng), pool, budget)


def explain(pool: Candidates, picks: Rows, categories: Sequence[str]) -> Explanation:
    """Score: distance of each pick to the nearest labelled or earlier one."""
    gaps = gaps_at_turn(pool.embeddings, picks, np.flatnonzero(pool.labelled))
    return [
        (gap, f"typical of its cluster, and {gap:.3g} from the nearest labelled or queued image")
        if np.isfinite(gap)
        else (0.0, "typical of the largest cluster")
        for gap in gaps.tolist()
    ]


def clustered(X: NDArray[np.float32], clusters: int, rng: np.random.Generator) -> Rows:
    """(n,) k-means cluster of each row; the centres are fitted to at most MOST rows drawn at random."""
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
    """Open rows: the most typical one of the cluster whose turn it is. Each row is closed when yielded.

    Order of clusters: fewest labels and picks, then largest, then first.
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
    """Rows of a cluster, and an interval of the mean distance of each to its nearest neighbours within it."""

    def __init__(self, X: NDArray[np.float32], rows: Rows, members: int, rng: np.random.Generator) -> None:
        self.X, self.all = X, rows
        self.rows = rows if len(rows) <= members else np.sort(rng.permutation(rows)[:members])
        self.neighbours = min(NEIGHBOURS, len(self.rows) - 1)
        Y = X[self.rows]
        self.lower, self.upper = self._intervals(Y - Y.mean(axis=0))

    def most_typical(self, open_: NDArray[np.bool_]) -> int | None:
        """The open row with the smallest mean distance, of equal ones the earliest; None if none is open."""
        at = np.flatnonzero(open_[self.rows])
        if not len(at):  # only rows that were not drawn are open: in row order
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
