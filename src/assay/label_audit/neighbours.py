"""What the labels of the nearest neighbours say: faiss, exact search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.label_audit.beliefs import Chances, Floats, Ints

NEIGHBOURS = 50
WIDTH = 128
"""Principal components that distances are taken in."""
BLOCK = 4096
"""Images that are looked up at once."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest images of each of n, the nearest first; −1 where there are no more."""

    rows: NDArray[np.int32]
    """(n, k)"""
    distance: Floats
    """(n,) mean distance to them, ∞ without any."""


def enough(teachers: int, classes: int) -> int:
    """How many neighbours to ask: 50, fewer where a class has not so many images itself."""
    return max(1, min(NEIGHBOURS, max(5, teachers // (4 * classes)), teachers - 1))


def nearest(components: Floats, groups: Ints, taught: Ints, count: int) -> Neighbours:
    """The `count` nearest among the rows `taught` that are not of the image's own group.

    More are fetched than asked for, as many as the largest group has images, `count` at most: of a larger group,
    some images have fewer neighbours than `count`.
    """
    import faiss

    space = components[:, :WIDTH]
    largest = int(np.bincount(groups[taught]).max())
    fetched = min(len(taught), count + min(largest, count))
    index = faiss.IndexFlatL2(space.shape[1])
    index.add(np.ascontiguousarray(space[taught]))
    rows = np.full((len(space), count), -1, np.int32)
    distance = np.full(len(space), np.inf, np.float32)
    for start in range(0, len(space), BLOCK):
        here = slice(start, start + BLOCK)
        squared, found = index.search(np.ascontiguousarray(space[here]), fetched)
        rows[here], distance[here] = _others(taught[found], squared, groups, start, count)
    return Neighbours(rows, distance)


def _others(found: Ints, squared: Floats, groups: Ints, start: int, count: int) -> tuple[Ints, Floats]:
    """The first `count` of each row of `found` that are of another group, and their mean distance."""
    own = groups[start : start + len(found)]
    other = groups[found] != own[:, None]
    order = np.argsort(~other, axis=1, kind="stable")[:, :count]
    kept = np.take_along_axis(other, order, 1)
    rows = np.where(kept, np.take_along_axis(found, order, 1), -1)
    apart = np.sqrt(np.maximum(np.take_along_axis(squared, order, 1), 0)) * kept
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(kept.any(1), apart.sum(1) / kept.sum(1), np.inf)
    return _padded(rows, count), mean.astype(np.float32)


def _padded(rows: Ints, count: int) -> Ints:
    return np.pad(rows, ((0, 0), (0, count - rows.shape[1])), constant_values=-1)


def votes(near: Neighbours, right: Chances) -> Chances:
    """(n, k) the mean of what the neighbours are believed to be, `right` (n, k); even where there are none."""
    total, padded = np.zeros_like(right), np.vstack([right, np.zeros(right.shape[1])])
    for column in near.rows.T:
        total += padded[column]  # the zeros for −1
    counts = total.sum(1, keepdims=True)
    even = np.full_like(right, 1 / right.shape[1])
    shares: Chances = np.divide(total, counts, out=even, where=counts > 0)
    return shares
