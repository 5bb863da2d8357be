"""What a linear probe believes of images that it has not learnt from."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assay.training import linear_probe

Floats = NDArray[np.float32]
Chances = NDArray[np.float64]
Ints = NDArray[np.int64]

STRENGTH = 0.005
"""Inverse of the regularisation (scikit-learn's C). Strong, as the labels are not to be trusted."""
WIDTH = 256
"""Principal components that a probe sees: what the others add to a linear probe is mostly noise, and time."""
DRAWN = 20_000
"""Images that the components are computed from, at most."""
BLOCK = 4096
"""Embeddings in memory at a time, beside those."""


class Vectors(Protocol):
    """(n, d) embeddings, read by rows: an array, or what stands for a file that need not fit in memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Ints, /) -> Floats: ...


def principal(vectors: Vectors, teachers: Ints, width: int = WIDTH) -> Floats:
    """(n, d) -> (n, min(d, width)): the principal components, the largest first, of the images at `teachers`.

    Distances are those between the embeddings, as far as the components hold them.
    """
    mean, basis = _axes(vectors[teachers[:DRAWN]], width)
    components = np.empty((len(vectors), basis.shape[1]), np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(vectors)))
        components[rows] = (vectors[rows] - mean) @ basis
    return components


def _axes(drawn: Floats, width: int) -> tuple[Floats, Floats]:
    """The mean (d,) of the images drawn, which are overwritten, and the axes (d, width) of their components."""
    mean = drawn.mean(0, dtype=np.float64).astype(np.float32)
    drawn -= mean
    _, axes = np.linalg.eigh((drawn.T @ drawn).astype(np.float64))
    return mean, np.ascontiguousarray(axes[:, ::-1][:, :width], dtype=np.float32)


def rotated(components: Floats, seed: int) -> Floats:
    """The same, in place, in axes drawn at random: a probe, which scales all alike, sees them in their own proportions.

    Scaled along the components instead, the last of them would weigh as much as the first, noise as much as signal.
    """
    width = components.shape[1]
    drawn = np.random.default_rng(seed).standard_normal((width, width))
    turn = np.linalg.qr(drawn)[0].astype(np.float32)
    for start in range(0, len(components), BLOCK):
        components[start : start + BLOCK] = components[start : start + BLOCK] @ turn
    return components


def teachers(given: Ints, most: int, seed: int) -> Ints:
    """At most `most` rows to learn from, drawn at random, in random order."""
    return np.random.default_rng(seed).permutation(len(given))[:most].astype(np.int64)


def out_of_fold(components: Floats, right: Chances, fold: Ints, taught: Ints) -> Chances:
    """(n, k) probabilities of a probe that has learnt from the rows `taught` of the other folds.

    `right` (n, k): what each of these is believed to be. The likeliest counts, by its probability.
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
