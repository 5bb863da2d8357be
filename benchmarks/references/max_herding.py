"""skactiveml.pool.MaxHerding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates
from benchmarks.references import ask

NEEDS = ("embeddings",)


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    from skactiveml.pool import MaxHerding

    return ask(MaxHerding, pool, budget, rng)
