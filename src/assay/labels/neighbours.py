"""The nearest labelled images of each image, and the distribution of their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.labels.beliefs import Chances, Floats, Ints

NEIGHBOURS = 50
WIDTH = 128
"""Principal components that distances are computed on."""
SEARCHED = 10_000
"""Least number of labelled images (teachers) that an image is compared with; with so many or fewer the search is exact.
Of 50,000 teachers (Fashion-MNIST, errors by class), comparing with 2,500 finds 95 % of the nearest and costs .008 of
average precision; comparing with 10,000 costs .0005."""
CELL = 100
"""Mean number of teachers in a cell."""
SAMPLED, STEPS = 64, 8
"""k-means: teachers drawn for each cell, and iterations."""
BLOCK = 1 << 14
"""Images in memory at a time."""
AT_ONCE = 1 << 21
"""Distances in memory at a time."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest teachers of each of n images, the nearest first; −1 where there are fewer."""

    rows: NDArray[np.int32]
    """(n, k)"""
    distance: Floats
    """(n,) mean distance to them; ∞ without any."""


def enough(teachers: int, classes: int) -> int:
    """Number of neighbours: a quarter of the mean class size, but at least 5 and at most NEIGHBOURS."""
    return max(1, min(NEIGHBOURS, max(5, teachers // (4 * classes)), teachers - 1))


def nearest(components: Floats, groups: Ints, taught: Ints, count: int) -> Neighbours:
    """The `count` nearest teachers (rows `taught`) of each image, its own group excepted.

    The teachers are divided into cells by k-means. The images of a cell are compared with the teachers of this and the
    nearest cells, SEARCHED in all (inverted file; J. Sivic, A. Zisserman: Video Google. ICCV 2003): the time grows with
    the number of images, not with images × teachers.
    """
    space = components[:, :WIDTH]
    rows = np.full((len(space), count), -1, np.int32)
    distance = np.full(len(space), np.inf, np.float32)
    for asked, among in _searches(space, taught):
        some = space[asked]
        apart = _apart(some, space[among])
        apart[groups[asked][:, None] == groups[among]] = np.inf
        rows[asked], distance[asked] = _least(apart, _norms(some), among, count)
    return Neighbours(rows, distance)


def _searches(space: Floats, taught: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs (images, teachers to compare them with); every image is in one pair."""
    for asked, among in _cells(space, taught):
        for part in np.array_split(asked, 1 + len(asked) * len(among) // AT_ONCE):
            yield part, among


def _cells(space: Floats, taught: Ints) -> Iterator[tuple[Ints, Ints]]:
    if len(taught) <= SEARCHED:
        yield np.arange(len(space)), taught
        return
    centres = _centres(space[taught])
    cell = _closest(space, centres)
    images, teachers = _members(cell, len(centres)), _members(cell[taught], len(centres))
    order = np.argsort(_apart(centres, centres), axis=1, kind="stable")
    sizes = np.cumsum(np.array([len(one) for one in teachers])[order], axis=1)
    for here in range(len(centres)):
        reached = int(np.searchsorted(sizes[here], SEARCHED)) + 1
        yield images[here], taught[np.concatenate([teachers[other] for other in order[here, :reached]])]


def _centres(vectors: Floats) -> Floats:
    """(cells, width)"""
    import faiss

    means = faiss.Kmeans(
        vectors.shape[1],
        len(vectors) // CELL,
        niter=STEPS,
        max_points_per_centroid=SAMPLED,
        min_points_per_centroid=1,
    )
    means.train(vectors)
    assert means.centroids is not None  # they are once it is trained
    return means.centroids


def _closest(space: Floats, centres: Floats) -> Ints:
    """(n,) the cell of each image."""
    blocks = (space[start : start + BLOCK] for start in range(0, len(space), BLOCK))
    return np.concatenate([_apart(block, centres).argmin(1) for block in blocks])


def _members(cell: Ints, count: int) -> list[Ints]:
    """Rows of the images of each cell."""
    ends = np.cumsum(np.bincount(cell, minlength=count))
    return np.split(np.argsort(cell, kind="stable"), ends[:-1])


def _norms(vectors: Floats) -> Floats:
    """(n,) squared Euclidean norms."""
    norms: Floats = np.einsum("ij,ij->i", vectors, vectors)
    return norms


def _apart(some: Floats, others: Floats) -> Floats:
    """(n, m) squared distances minus the squared norms of `some`: the order of each row is that of the distances."""
    apart: Floats = some @ (-2 * others.T)
    apart += _norms(others)
    return apart


def _least(apart: Floats, norms: Floats, among: Ints, count: int) -> tuple[Ints, Floats]:
    """(n, count) nearest of each row, −1 for those at ∞, and (n,) the mean distance to the others."""
    first = np.argpartition(apart, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(apart, first, 1), axis=1, kind="stable")
    first = np.take_along_axis(first, order, 1)
    squared = np.take_along_axis(apart, first, 1) + norms[:, None]
    there = np.isfinite(squared)
    total = np.sqrt(np.maximum(squared, 0, where=there, out=np.zeros_like(squared))).sum(1)
    mean = np.full(len(apart), np.inf, np.float32)
    np.divide(total, there.sum(1), out=mean, where=there.any(1))
    return np.where(there, among[first], -1), mean


def votes(near: Neighbours, right: Chances) -> Chances:
    """(n, k) mean of the class probabilities `right` (n, k) of the neighbours; uniform without neighbours."""
    from scipy.sparse import csr_array

    shares = np.full(right.shape, 1 / right.shape[1])
    for start in range(0, len(right), BLOCK):
        rows = near.rows[start : start + BLOCK]
        there = rows >= 0
        ends = np.append(0, np.cumsum(there.sum(1)))
        asked = csr_array((np.ones(ends[-1]), rows[there], ends), shape=(len(rows), len(right)))
        total = asked @ right
        counts = total.sum(1, keepdims=True)
        np.divide(total, counts, out=shares[start : start + BLOCK], where=counts > 0)
    return shares
