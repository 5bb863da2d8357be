"""k-means (faiss), deterministic for a seed, and the points nearest to the centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

ROUNDS = 20
"""Iterations of Lloyd's algorithm, on at most 256 points a cluster (faiss)."""
MOST = 50_000
"""Most points that are clustered."""


def medoids(points: Floats, clusters: int, seed: int) -> Ints:
    """The point of `points` (n, d) nearest to each of `clusters` k-means centres, that of the largest cluster first.

    Fewer if a cluster is empty; ties go to the earlier point.
    """
    if clusters >= len(points):
        return np.arange(len(points))
    mine, gaps = assigned(points, centres(points, clusters, seed))
    sizes = np.bincount(mine, minlength=clusters)
    order = np.lexsort((np.arange(len(points)), gaps, mine))
    first = order[np.unique(mine[order], return_index=True)[1]]
    return first[np.argsort(-sizes[mine[first]], kind="stable")]


def centres(points: Floats, clusters: int, seed: int) -> Floats:
    """(clusters, d) centres of k-means."""
    import faiss

    kmeans = faiss.Kmeans(points.shape[1], clusters, niter=ROUNDS, seed=seed, min_points_per_centroid=1)
    kmeans.train(np.ascontiguousarray(points, np.float32))
    return np.asarray(kmeans.centroids, np.float32)


def assigned(points: Floats, centres: Floats) -> tuple[Ints, Floats]:
    """(n,) the nearest centre of each point, and the squared distance to it."""
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(centres)
    gaps, mine = index.search(np.ascontiguousarray(points, np.float32), 1)
    return mine[:, 0], gaps[:, 0]
