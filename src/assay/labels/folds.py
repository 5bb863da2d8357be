"""Folds for cross-validation of the labels: stratified by class, groups kept whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def folds(targets: Ints, groups: Ints, count: int, seed: int) -> Ints:
    """(n,) fold of each row: the groups of one class are dealt out in turn."""
    rng = np.random.default_rng([seed, count])
    members = int(groups.max()) + 1
    first = np.full(members, len(targets))
    np.minimum.at(first, groups, np.arange(len(targets)))
    order = rng.permutation(members)
    by_class = np.argsort(
        targets[first[order]], kind="stable"
    )  # the class of a group: that of its first image
    order = order[by_class]
    fold = np.empty(members, np.int64)
    fold[order] = np.arange(members) % count
    return fold[groups]
