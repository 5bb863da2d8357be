"""ProbCover: at each turn the image that covers the most uncovered images within a radius.

O. Yehuda, A. Dekel, G. Hacohen, D. Weinshall: Active Learning Through a Covering Lens. NeurIPS 2022. An image covers
the images within the radius δ. The default of δ is the paper's: the largest for which 95 % of the balls are pure, i.e.
hold images of one k-means cluster only, with as many clusters as classes. Needs no model: for the first labels. When
all images are covered, the choice goes on as in `kcenter`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from assay.params.bounds import within
from assay.strategies import Candidates, Explanation, spend
from assay.strategies._clusters import assigned, centres
from assay.strategies._farthest import Farthest
from assay.strategies._geometry import (
    CENTRES,
    blocks,
    canonical,
    distance_error,
    gaps_at_turn,
    mean_of,
    squared_distances,
    squared_norms,
)

NEEDS = ("embeddings",)

PURE = 0.95
PROBES = 1_000
"""Images whose balls determine δ."""
CLASSES = 10
"""Number of clusters without labels and without a model."""
STALE = 64
"""Bounds updated at once."""

Rows = NDArray[np.int64]
Bits = NDArray[np.uint8]


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    delta: Annotated[float, within(0, 1000)] = 0.0,
    candidates: Annotated[int, within(1, 200_000)] = 20_000,
) -> Rows:
    """O(c²·d) time and c²/8 bytes for c candidates: all unlabelled images, or `candidates` of them drawn at random.

    `delta`: radius δ, a distance between embeddings; 0: by the paper's rule.
    """
    rows = drawn_rows(pool, candidates, rng)
    seed = int(rng.integers(2**31))
    radius = delta or pure_radius(pool.embeddings[rows], classes(pool), seed)
    labelled = np.flatnonzero(pool.labelled)
    return spend(lambda open_: covering(pool.embeddings, rows, labelled, radius, open_), pool, budget)


def explain(pool: Candidates, picks: Rows, categories: Sequence[str]) -> Explanation:
    """Score: distance of each pick to the nearest labelled or earlier one."""
    gaps = gaps_at_turn(pool.embeddings, picks, np.flatnonzero(pool.labelled))
    return [
        (
            gap,
            f"represents uncovered images around it; {gap:.3g} from the nearest labelled or queued image",
        )
        if np.isfinite(gap)
        else (0.0, "represents more images than any other")
        for gap in gaps.tolist()
    ]


def drawn_rows(pool: Candidates, candidates: int, rng: np.random.Generator) -> Rows:
    """All unlabelled rows, or `candidates` of them drawn at random; ascending."""
    rows = pool.unlabelled
    return rows if len(rows) <= candidates else np.sort(rng.permutation(rows)[:candidates])


def classes(pool: Candidates) -> int:
    """Number of classes by model or labels; CLASSES without either."""
    if pool.probabilities is not None:
        return int(pool.probabilities.shape[1])
    known = 0 if pool.targets is None else len(np.unique(pool.targets[pool.targets >= 0]))
    return known if known > 1 else CLASSES


def pure_radius(X: NDArray[np.float32], clusters: int, seed: int) -> float:
    """The largest radius for which a share PURE of the balls hold one cluster only; 0 with a single cluster.

    A ball is pure if its radius is below the distance to the nearest image of another cluster.
    """
    if len(X) <= clusters or clusters < 2:
        return 0.0
    home, _ = assigned(X, centres(X, clusters, seed))
    probes = np.linspace(0, len(X) - 1, min(len(X), PROBES), dtype=np.int64)
    gaps = np.full(len(probes), np.inf, np.float32)
    for block in blocks(len(X)):
        distances = squared_distances(X[block], squared_norms(X[block]), X[probes], squared_norms(X[probes]))
        distances[home[probes][:, None] == home[block]] = np.inf
        gaps = np.minimum(gaps, distances.min(axis=1))
    gaps = np.sort(np.sqrt(np.maximum(gaps[np.isfinite(gaps)], 0)))
    return float(gaps[int((1 - PURE) * len(gaps))]) * (1 - 1e-3) if len(gaps) else 0.0


def covering(
    X: NDArray[np.float32], rows: Rows, labelled: Rows, radius: float, open_: NDArray[np.bool_]
) -> Iterator[int]:
    """Open rows of X: the one that covers most of `rows` first; then the farthest. Each row is closed when yielded."""
    balls = Balls(X, rows, radius)
    uncovered = np.packbits(~balls.reached_by(labelled))
    chosen: list[int] = []
    bounds = np.full(len(rows), len(rows))
    bounds[:] = balls.count(np.arange(len(rows)), uncovered)
    fresh = np.zeros(len(rows), np.int64)
    while len(rows):
        worth = np.where(open_[rows], bounds, 0)
        lead = int(worth.argmax())
        if worth[lead] == 0:
            break
        if fresh[lead] == len(chosen):
            uncovered &= ~balls.inside[lead]
            chosen.append(int(rows[lead]))
            open_[rows[lead]] = False
            yield chosen[-1]
            continue
        stale = np.flatnonzero((fresh < len(chosen)) & (worth >= _nth(worth, STALE)))[: 2 * STALE]
        stale = np.union1d(stale, [lead])
        bounds[stale] = balls.count(stale, uncovered)
        fresh[stale] = len(chosen)
    yield from _farthest_open(X, np.concatenate([labelled, np.array(chosen, np.int64)]), open_)


def _farthest_open(X: NDArray[np.float32], centres: Rows, open_: NDArray[np.bool_]) -> Iterator[int]:
    farthest = Farthest(X, centres)
    farthest.drop(np.flatnonzero(~open_))
    for row in farthest:
        open_[row] = False
        yield row
        farthest.drop(np.flatnonzero(~open_))


class Balls:
    """Which of m rows are within the radius of each other, one bit for each pair."""

    def __init__(self, X: NDArray[np.float32], rows: Rows, radius: float) -> None:
        self.X, self.rows, self.square = X, rows, float(radius) ** 2
        self.origin = mean_of(np.asarray(X[rows])).astype(np.float32)
        self.norms = np.concatenate(
            [squared_norms(X[rows[block]] - self.origin) for block in blocks(len(rows))]
            or [np.empty(0, np.float32)]
        )
        self.inside = np.zeros((len(rows), -(-len(rows) // 8)), np.uint8)
        """(m, m / 8) packed"""
        for block in blocks(len(rows), CENTRES):
            self.inside[block] = np.packbits(self.within(rows[block]), axis=1)

    def within(self, centres: Rows) -> NDArray[np.bool_]:
        """(centres, m) whether the canonical distance to a row is at most the radius."""
        Z = self.X[centres] - self.origin
        others = squared_norms(Z)
        near = np.zeros((len(centres), len(self.rows)), bool)
        for block in blocks(len(self.rows)):
            rows, norms = self.rows[block], self.norms[block]
            distances = squared_distances(self.X[rows] - self.origin, norms, Z, others)
            distances -= np.float32(self.square)
            error = distance_error(Z.shape[1], norms, others)
            near[:, block] = distances <= -error
            which, row = np.nonzero(abs(distances) < error)
            for part in blocks(len(row)):
                exact = canonical(self.X[rows[row[part]]], self.X[centres[which[part]]])
                near[which[part], row[part] + block.start] = exact <= self.square
        return near

    def reached_by(self, centres: Rows) -> NDArray[np.bool_]:
        """(m,) whether a row is within the radius of any of the centres."""
        reached = np.zeros(len(self.rows), bool)
        for block in blocks(len(centres), CENTRES):
            reached |= self.within(centres[block]).any(axis=0)
        return reached

    def count(self, at: Rows, uncovered: Bits) -> Rows:
        """(at,) number of uncovered rows in the balls of the rows at positions `at`."""
        counts = np.empty(len(at), np.int64)
        for block in blocks(len(at)):
            counts[block] = np.bitwise_count(self.inside[at[block]] & uncovered).sum(axis=1, dtype=np.int64)
        return counts


def _nth(values: Rows, count: int) -> int:
    """The `count`-th largest value."""
    place = max(len(values) - count, 0)
    return int(np.partition(values, place)[place])
