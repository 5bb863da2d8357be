"""Least confidence: the lowest probability of the likeliest class first.

D. D. Lewis, W. A. Gale: A Sequential Algorithm for Training Text Classifiers. SIGIR 1994.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation, best_first

NEEDS = ("probabilities",)


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return best_first(pool, -pool.beliefs.max(axis=1), budget)


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    probabilities = pool.beliefs[picks]
    likeliest = probabilities.argmax(axis=1).tolist()
    sure = probabilities.max(axis=1).astype(float).tolist()
    return [
        (1 - p, f"confidence {p:.2f}: perhaps {categories[c]}") for c, p in zip(likeliest, sure, strict=True)
    ]
