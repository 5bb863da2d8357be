"""k-center greedy (core-set): at each turn the image farthest from the nearest labelled or chosen one.

O. Sener, S. Savarese: Active Learning for Convolutional Neural Networks: A Core-Set Approach. ICLR 2018,
algorithm 1. Its radius is at most twice the minimum (T. F. Gonzalez, 1985). Needs no model.
The picks are exactly those of the plain algorithm; `_farthest` finds them with lazy bounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation
from assay.strategies._farthest import Farthest
from assay.strategies._geometry import gaps_at_turn

NEEDS = ("embeddings",)


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Without labels, the first pick is the image nearest to the mean."""
    costs = pool.costs.astype(np.float64)
    farthest = Farthest(pool.embeddings, np.flatnonzero(pool.labelled))
    farthest.drop(np.flatnonzero(costs > budget))
    dearest = costs[costs <= budget].max(initial=0)
    picks: list[int] = []
    spent = 0.0
    for row in farthest:
        picks.append(row)
        spent += costs[row]
        if spent + dearest > budget:
            farthest.drop(np.flatnonzero(spent + costs > budget))
    return np.array(picks, dtype=np.int64)


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    """Score: distance of each pick to the nearest labelled or earlier one."""
    gaps = gaps_at_turn(pool.embeddings, picks, np.flatnonzero(pool.labelled))
    return [
        (gap, f"{gap:.3g} from the nearest labelled or queued image")
        if np.isfinite(gap)
        else (0.0, "nearest to the mean of all images")
        for gap in gaps.tolist()
    ]
