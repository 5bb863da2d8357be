"""Uncertainty sampling, for any task: the highest doubt of the champion first.

D. D. Lewis, W. A. Gale: A Sequential Algorithm for Training Text Classifiers. SIGIR 1994. The task defines the doubt of
an image (`doubt` in assay.tasks). For classification the choice is that of `margin`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation, best_first

NEEDS = ("doubt",)


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return best_first(pool, doubts(pool), budget)


def doubts(pool: Candidates) -> NDArray[np.float32]:
    """(n,) doubt of the champion, 0…1. ValueError without a champion."""
    if pool.doubt is None:
        raise ValueError("this strategy needs the doubt of a model")
    return pool.doubt


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    return [(doubt, f"doubt {doubt:.2f} of at most 1") for doubt in doubts(pool)[picks].tolist()]
