"""MaxHerding: at each turn the image that adds most to the kernel coverage of the pool.

W. Bae, J. Noh, D. J. Sutherland: Generalized Coverage for More Robust Low-Budget Active Learning. ECCV 2024: greedy
maximisation of the mean over x of maxₛ k(x, s), with a Gaussian kernel. Needs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from assay.params.bounds import Count, within
from assay.strategies import Candidates, Explanation
from assay.strategies._herding import draw, explanations, herd

NEEDS = ("embeddings",)


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    radius: Annotated[float, within(0.001, 1000)] = 1.0,
    reference: Annotated[int, within(1, 100_000)] = 5000,
    candidates: Count = 20000,
) -> NDArray[np.int64]:
    """`radius` of the kernel; two unrelated images have a distance of √2.

    With more than `reference` unlabelled images, coverage is estimated on `reference` of them, and the choice is among
    `candidates`, both drawn at random; with fewer it is exact. Labelled images count as covered.
    """
    sample = draw(pool, reference, candidates, rng)
    return herd(pool, sample, np.ones(len(sample.rows), np.float32), radius, budget)


def explain(
    pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str], *, radius: float = 1.0
) -> Explanation:
    """Score: 1 − coverage of each pick at its turn."""
    return explanations(pool, picks, radius)
