"""k-center greedy (core-set): each time the image farthest from everything labelled or chosen so far.

O. Sener, S. Savarese: Active Learning for Convolutional Neural Networks: A Core-Set Approach. ICLR 2018,
algorithm 1. Its radius is at most twice the best (T. F. Gonzalez, 1985). Needs no model: the cold start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation

NEEDS_MODEL = False
NEEDS_EMBEDDINGS = True

BLOCK = 256
"""Centres measured at once: bounds the memory to n × BLOCK distances."""


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """O(n·d·picks). With nothing labelled it begins with the image nearest to the mean."""
    X, costs = pool.embeddings, pool.costs.astype(np.float64)
    norms = squared_norms(X)
    gaps = covered_by(X, norms, X[pool.labelled])
    gaps[pool.labelled] = -np.inf
    picks: list[int] = []
    spent = 0.0
    while (open_ := (gaps >= 0) & (spent + costs <= budget)).any():
        first = not picks and not pool.labelled.any()
        row = _most_central(X, norms, open_) if first else int(np.argmax(np.where(open_, gaps, -np.inf)))
        picks.append(row)
        spent += costs[row]
        np.minimum(gaps, squared_distances(X, norms, X[row]), out=gaps)
        gaps[row] = -np.inf
    return np.array(picks, dtype=np.int64)


def squared_norms(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) ‖x‖²"""
    norms: NDArray[np.float32] = np.einsum("nd,nd->n", X, X)
    return norms


def squared_distances(
    X: NDArray[np.float32], norms: NDArray[np.float32], centre: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n,) ‖x − c‖² as ‖x‖² − 2x·c + ‖c‖²; rounding below zero is cut off."""
    distances: NDArray[np.float32] = np.maximum(norms - 2 * (X @ centre) + centre @ centre, 0)
    return distances


def covered_by(
    X: NDArray[np.float32], norms: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n,) squared distance to the nearest of `centres` (m, d); infinite without any."""
    gaps = np.full(len(X), np.inf, dtype=np.float32)
    for start in range(0, len(centres), BLOCK):
        block = centres[start : start + BLOCK]
        distances = norms[:, None] - 2 * (X @ block.T) + squared_norms(block)
        np.minimum(gaps, np.maximum(distances, 0).min(axis=1), out=gaps)
    return gaps


def _most_central(X: NDArray[np.float32], norms: NDArray[np.float32], open_: NDArray[np.bool_]) -> int:
    to_mean = squared_distances(X, norms, X.mean(axis=0))
    return int(np.argmin(np.where(open_, to_mean, np.inf)))


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    """The distance that each pick was from everything covered when its turn came."""
    X = pool.embeddings[picks]
    norms = squared_norms(X)
    gaps = covered_by(X, norms, pool.embeddings[pool.labelled])
    told: Explanation = []
    for turn, row in enumerate(X):
        gap = float(np.sqrt(gaps[turn]))
        told.append(
            (gap, f"{gap:.3g} from the nearest labelled or queued image")
            if np.isfinite(gap)
            else (0.0, "nearest to the mean of all images")
        )
        np.minimum(gaps, squared_distances(X, norms, row), out=gaps)
    return told
