"""At random, each image equally likely: the control that every other strategy has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation, best_first

NEEDS_MODEL = False
NEEDS_EMBEDDINGS = False


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """One draw for each row, labelled or not: a new label leaves the order of the rest as it was."""
    return best_first(pool, rng.random(len(pool.labelled)), budget)


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    return [(0.0, "drawn at random")] * len(picks)
