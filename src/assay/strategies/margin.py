"""Margin sampling: the smallest difference between the two highest probabilities first.

T. Scheffer, C. Decomain, S. Wrobel: Active Hidden Markov Models for Information Extraction. IDA 2001.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation, best_first, two_likeliest

NEEDS = ("probabilities",)


def select(pool: Candidates, budget: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return best_first(pool, -margins(pool.beliefs), budget)


def margins(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) p₁ − p₂; 1 for a model with a single class."""
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities), dtype=np.float32)
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    gaps: NDArray[np.float32] = first - second
    return gaps


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    probabilities = pool.beliefs[picks]
    pairs = [" and ".join(categories[c] for c in row) for row in two_likeliest(probabilities)]
    gaps = margins(probabilities).tolist()
    return [(gap, f"margin {gap:.2f} between {pair}") for gap, pair in zip(gaps, pairs, strict=True)]
