"""skactiveml.pool.DropQuery."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates
from benchmarks.references import ask, probe

NEEDS = ("embeddings", "classes")


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    from skactiveml.pool import DropQuery

    return ask(DropQuery, pool, budget, rng, clf=probe(pool))
