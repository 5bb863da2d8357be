"""Simulated people with known errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.agreement.votes import Votes

LURE = 0.6


def simulated(
    accuracy: Sequence[float], images: int, classes: int, seed: int, lured: float = 0.0
) -> tuple[Votes, np.ndarray, np.random.Generator]:
    """(votes, right classes (n,), generator): each person is right with their accuracy, else any other class.

    `lured`: share of the images on which each person says, with probability LURE, one and the same wrong class.
    """
    rng = np.random.default_rng(seed)
    right = rng.integers(0, classes, images)
    is_right = rng.random((images, len(accuracy))) < np.array(accuracy)
    others = (right[:, None] + rng.integers(1, classes, is_right.shape)) % classes
    labels = np.where(is_right, right[:, None], others)
    if lured:
        traps = (rng.random(images) < lured)[:, None] & (rng.random(is_right.shape) < LURE)
        labels = np.where(traps, (right[:, None] + 1) % classes, labels)
    people = len(accuracy)
    return (
        Votes(
            tuple(f"{i:06d}" for i in range(images)),
            tuple("ABCDEFGH"[:people]),
            tuple("pqrstuvwxyz"[:classes]),
            np.repeat(np.arange(images), people),
            np.tile(np.arange(people), images),
            labels.ravel(),
        ),
        right,
        rng,
    )
