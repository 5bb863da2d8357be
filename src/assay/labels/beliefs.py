"""Out-of-fold class probabilities ("beliefs") of a linear probe on the principal components of the embeddings."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assay.training import linear_probe

Floats = NDArray[np.float32]
Chances = NDArray[np.float64]
Ints = NDArray[np.int64]

STRENGTH = 0.005
"""Inverse of the regularisation (scikit-learn's C). Strong, because labels may be wrong."""
WIDTH = 256
"""Principal components that a probe is fitted on: the others add mostly noise, and time."""
DRAWN = 20_000
"""Most images that the components are computed from."""
BLOCK = 4096
"""Further embeddings in memory at a time."""


class Vectors(Protocol):
    """(n, d) embeddings, read by rows: an array, or a file that need not fit in memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Ints, /) -> Floats: ...


def principal(vectors: Vectors, teachers: Ints, width: int = WIDTH) -> Floats:
    """(n, d) -> (n, min(d, width)): the principal components of the rows `teachers`, the largest first. No scaling."""
    mean, basis = _axes(vectors[teachers[:DRAWN]], width)
    components = np.empty((len(vectors), basis.shape[1]), np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(vectors)))
        components[rows] = (vectors[rows] - mean) @ basis
    return components


def _axes(drawn: Floats, width: int) -> tuple[Floats, Floats]:
    """Mean (d,) and principal axes (d, width) of `drawn`, which is overwritten."""
    mean = drawn.mean(0, dtype=np.float64).astype(np.float32)
    drawn -= mean
    _, axes = np.linalg.eigh((drawn.T @ drawn).astype(np.float64))
    return mean, np.ascontiguousarray(axes[:, ::-1][:, :width], dtype=np.float32)


def rotated(components: Floats, seed: int) -> Floats:
    """The components in axes drawn at random, in place.

    A probe scales each axis to variance 1. Along the components, that would give the last one the weight of the first,
    noise the weight of signal; along random axes it leaves their proportions as they are.
    """
    width = components.shape[1]
    drawn = np.random.default_rng(seed).standard_normal((width, width))
    turn = np.linalg.qr(drawn)[0].astype(np.float32)
    for start in range(0, len(components), BLOCK):
        components[start : start + BLOCK] = components[start : start + BLOCK] @ turn
    return components


def teachers(given: Ints, most: int, seed: int) -> Ints:
    """At most `most` of the rows of `given`, drawn at random, in random order."""
    return np.random.default_rng(seed).permutation(len(given))[:most].astype(np.int64)


def out_of_fold(components: Floats, right: Chances, fold: Ints, taught: Ints) -> Chances:
    """(n, k) probabilities, for each fold of a probe fitted to the rows `taught` of the other folds.

    `right` (n, k): probability of each class. The target of a row is its likeliest class, weighted by its probability.
    """
    targets, weights = right.argmax(1), right.max(1)
    believed = np.empty(right.shape)
    for number in np.unique(fold):
        held, others = fold == number, taught[fold[taught] != number]
        probe = linear_probe.fit(
            components[others], targets[others], right.shape[1], STRENGTH, weights[others], overwrite=True
        )
        believed[held] = probe.probabilities(components[held])
    return believed
