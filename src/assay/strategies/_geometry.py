"""Squared distances between rows of an embedding matrix: the exact value, and bounds of it by matrix products.

The *canonical* distance of two rows is ‖a − b‖² of the direct difference in double precision, summed row by row: it
does not depend on blocks, threads or the BLAS at hand. Matrix products in single precision only ever bound it, with an
error that is proven, so whatever is decided by them is decided as by the canonical distance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 2048
"""Rows read at once: with their distances to some hundred centres they stay in the cache."""
CENTRES = 256
"""Centres measured at once."""
UNIT = float(np.finfo(np.float32).eps) / 2
"""The largest relative error of one rounding."""


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """`range(n)` in slices of at most `size`."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def canonical(A: NDArray[np.float32], B: NDArray[np.floating]) -> NDArray[np.float64]:
    """(m,) ‖a − b‖² of each row of A (m, d) and its row of B (m, d), or the one point B (d,)."""
    difference = A.astype(np.float64) - B
    difference *= difference
    sums: NDArray[np.float64] = difference.sum(axis=1)
    return sums


def mean_of(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """(d,) the mean of the rows, added up in double precision, block by block."""
    total = np.zeros(X.shape[1])
    for block in blocks(len(X)):
        total += X[block].sum(axis=0, dtype=np.float64)
    return total / max(len(X), 1)


def squared_norms(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) ‖x‖²"""
    norms: NDArray[np.float32] = np.einsum("nd,nd->n", X, X)
    return norms


def squared_distances(
    X: NDArray[np.float32],
    norms: NDArray[np.float32],
    centres: NDArray[np.float32],
    centre_norms: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(centres, n) ‖x‖² − 2x·c + ‖c‖²; `distance_error` says how wrong, and it may be below 0."""
    distances: NDArray[np.float32] = np.matmul(centres * np.float32(-2), X.T)
    distances += centre_norms[:, None]
    distances += norms
    return distances


def distance_error(d: int, norms: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) how far `squared_distances` from rows of `norms` to any of `others` can be from the canonical distance.

    γ (‖a‖ + ‖b‖)² for three sums of d products in whatever order, with γ = du / (1 − du) (N. J. Higham: Accuracy and
    Stability of Numerical Algorithms. 2002, section 3.1); some units more for adding them up and for a moved origin.
    """
    units = (d + 16) * UNIT
    reach = np.sqrt(norms.astype(np.float64)) + np.sqrt(float(others.max(initial=0)))
    error: NDArray[np.float64] = 1.01 * units / (1 - units) * reach**2
    return error


def nearest(
    X: NDArray[np.float32], rows: NDArray[np.int64], centres: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(rows,) the nearest of `centres`, both rows of X (n, d), and its squared distance; −1 and infinity without any.

    As `squared_distances` sees it: good enough for what is shown to people.
    """
    Y = X[rows]
    norms = squared_norms(Y)
    which, gaps = np.full(len(rows), -1), np.full(len(rows), np.inf, np.float32)
    for block in blocks(len(centres), CENTRES):
        Z = X[centres[block]]
        distances = squared_distances(Y, norms, Z, squared_norms(Z))
        best = distances.argmin(axis=0)
        gap = distances[best, np.arange(len(rows))]
        closer = gap < gaps
        which[closer], gaps[closer] = centres[block][best[closer]], gap[closer]
    return which, gaps


def gaps_at_turn(
    X: NDArray[np.float32], picks: NDArray[np.int64], centres: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(picks,) how far each was from the centres and the picks before it; infinite where there was nothing."""
    Y = X[picks]
    norms = squared_norms(Y)
    which, gaps = nearest(X, picks, centres)
    for turn in range(len(picks) - 1):
        later = slice(turn + 1, None)
        new = squared_distances(Y[later], norms[later], Y[turn : turn + 1], norms[turn : turn + 1])[0]
        closer = new < gaps[later]
        which[later][closer], gaps[later][closer] = picks[turn], new[closer]
    return np.where(which >= 0, np.sqrt(canonical(Y, X[which])), np.inf)


def top_rows(values: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """The rows of the `count` highest values, of equal ones the earlier; in row order."""
    if count >= len(values):
        return np.arange(len(values))
    least = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > least)
    ties = np.flatnonzero(values == least)[: count - len(above)]
    return np.sort(np.concatenate([above, ties]))
