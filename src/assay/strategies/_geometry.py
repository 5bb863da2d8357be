"""Squared distances between rows of an embedding matrix: canonical values, and bounds of them by matrix products.

The *canonical* distance of two rows is ‖a − b‖², computed from the difference in double precision and summed row by
row. It does not depend on blocks, threads or the BLAS. Matrix products in single precision are used for bounds only:
their error is bounded (`distance_error`), so a decision by bounds equals the decision by canonical distances.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 2048
"""Rows in a block: with their distances to CENTRES centres they fit into the cache."""
CENTRES = 256
"""Centres in a block."""
UNIT = float(np.finfo(np.float32).eps) / 2
"""Unit roundoff u of single precision: the largest relative error of one rounding."""


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """`range(n)` in slices of at most `size`."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def canonical(A: NDArray[np.float32], B: NDArray[np.floating]) -> NDArray[np.float64]:
    """(m,) ‖a − b‖² of the rows of A (m, d) and of B (m, d), or of one point B (d,)."""
    difference = A.astype(np.float64) - B
    difference *= difference
    sums: NDArray[np.float64] = difference.sum(axis=1)
    return sums


def mean_of(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """(d,) mean of the rows of X (n, d), summed in double precision."""
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
    """(centres, n) ‖x‖² − 2x·c + ‖c‖² in single precision; may be negative. Error: `distance_error`."""
    distances: NDArray[np.float32] = np.matmul(centres * np.float32(-2), X.T)
    distances += centre_norms[:, None]
    distances += norms
    return distances


def distance_error(d: int, norms: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) bound of |`squared_distances` − canonical distance| of rows with `norms` (n,) to any row of `others`.

    γ (‖a‖ + ‖b‖)² with γ = m u / (1 − m u): sums of d products in any order (N. J. Higham: Accuracy and Stability of
    Numerical Algorithms. 2002, section 3.1). m = d + 16 covers the final additions and the shifted origin as well; the
    factor 1.01 covers the rounding of the bound itself.
    """
    units = (d + 16) * UNIT
    reach = np.sqrt(norms.astype(np.float64)) + np.sqrt(float(others.max(initial=0)))
    error: NDArray[np.float64] = 1.01 * units / (1 - units) * reach**2
    return error


def nearest(
    X: NDArray[np.float32], rows: NDArray[np.int64], centres: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(rows,) the nearest of `centres`, both rows of X (n, d), and its squared distance; −1 and ∞ without centres.

    In single precision: for explanations, not for choices.
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
    """(picks,) distance of each pick to the nearest centre or earlier pick; ∞ if there is neither."""
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
    """(count,) rows of the highest values, in row order; of equal values the earlier rows."""
    if count >= len(values):
        return np.arange(len(values))
    least = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > least)
    ties = np.flatnonzero(values == least)[: count - len(above)]
    return np.sort(np.concatenate([above, ties]))
