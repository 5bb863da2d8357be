"""Entropy sampling: the highest entropy of the predicted class first.

C. E. Shannon: A Mathematical Theory of Communication. 1948. As a query strategy: B. Settles: Active Learning
Literature Survey. 2009, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation, best_first, two_likeliest

NEEDS = ("probabilities",)


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return best_first(pool, entropies(pool.beliefs), budget)


def entropies(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) −Σ p ln p in nats, 0 ln 0 = 0; in double precision, because many small terms are summed."""
    p = probabilities.astype(np.float64)
    terms = p * np.log(np.where(p > 0, p, 1.0))
    totals: NDArray[np.float64] = -terms.sum(axis=1)
    return totals


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    probabilities = pool.beliefs[picks]
    most = np.log(max(probabilities.shape[1], 2))
    pairs = [" or ".join(categories[c] for c in row) for row in two_likeliest(probabilities)]
    return [
        (nats, f"entropy {nats:.2f} of at most {most:.2f}: perhaps {pair}")
        for nats, pair in zip(entropies(probabilities).tolist(), pairs, strict=True)
    ]
