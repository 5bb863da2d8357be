"""Folds of labels, so that no image is judged by what has learnt from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def folds(targets: Ints, groups: Ints, count: int, seed: int) -> Ints:
    """(n,) a fold for each row: groups stay whole, and those of a class are dealt out in turn."""
    rng = np.random.default_rng([seed, count])
    members = int(groups.max()) + 1
    first = np.full(members, len(targets))
    np.minimum.at(first, groups, np.arange(len(targets)))
    order = rng.permutation(members)
    order = order[
        np.argsort(targets[first[order]], kind="stable")
    ]  # a group goes by the class of its first image
    fold = np.empty(members, np.int64)
    fold[order] = np.arange(members) % count
    return fold[groups]
