"""Uncertainty Herding: at each turn the image that adds most to the coverage of uncertain images.

W. Bae, G. L. Oliveira, D. J. Sutherland: Uncertainty Herding: One Active Learning Method for All Label Budgets. ICLR
2025: greedy maximisation of the mean over x of U(x) maxₛ k(x, s). With few labels, the calibrated uncertainty U is
nearly constant, and the choice is that of MaxHerding; with many, the radius of the kernel shrinks, and the choice tends
to margin sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from assay.params.bounds import Count, within
from assay.strategies import Candidates, Explanation, two_likeliest
from assay.strategies._herding import Sample, draw, explanations, herd, labelled_points
from assay.strategies._probe import fitted, logits, temperature
from assay.strategies.margin import margins
from assay.training.linear_probe import softmax

NEEDS = ("embeddings", "classes")

BLOCK = 1024


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    radius: Annotated[float, within(0.001, 1000)] = 1.0,
    reference: Annotated[int, within(1, 100_000)] = 5000,
    candidates: Count = 20000,
) -> NDArray[np.int64]:
    """Options as in `maxherding`; `radius` is an upper limit.

    U is 1 − margin of a probe on all labels, after temperature scaling on held-out labels. With fewer than two labelled
    classes U is constant: MaxHerding.
    """
    sample = draw(pool, reference, candidates, rng)
    return herd(pool, sample, uncertainty(pool, sample.rows), adapted(pool, sample, radius), budget)


def uncertainty(pool: Candidates, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(len(rows),) U in 0…1."""
    probe = fitted(pool)
    heat = temperature(pool) if probe else np.inf
    if probe is None or np.isinf(heat):
        return np.ones(len(rows), np.float32)
    return 1 - margins(softmax(logits(probe, pool.embeddings, rows) / np.float32(heat)))


def adapted(pool: Candidates, sample: Sample, radius: float) -> float:
    """The smaller of `radius` and the median distance of a labelled image to the nearest other one.

    The paper takes the minimum; a single pair of near-duplicates would then end coverage.
    """
    near = nearest_distances(labelled_points(pool, sample))
    apart = near[near > 0]
    return min(radius, float(np.median(apart))) if len(apart) else radius


def nearest_distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m,) distance of each point on the unit sphere to the nearest other one; empty with fewer than two."""
    if len(points) < 2:
        return np.zeros(0, np.float32)
    near = np.empty(len(points), np.float32)
    for start in range(0, len(points), BLOCK):
        likeness = points[start : start + BLOCK] @ points.T
        likeness[np.arange(len(likeness)), np.arange(start, start + len(likeness))] = -np.inf
        near[start : start + BLOCK] = likeness.max(axis=1)
    distances: NDArray[np.float32] = np.sqrt(np.maximum(2 - 2 * near, 0))
    return distances


def explain(
    pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str], *, radius: float = 1.0
) -> Explanation:
    """Score: uncertainty U of each pick; without a probe, 1 − coverage."""
    probe = fitted(pool)
    if probe is None:
        return explanations(pool, picks, radius)
    doubts = uncertainty(pool, picks).tolist()
    pairs = two_likeliest(softmax(logits(probe, pool.embeddings, picks)))
    return [
        (
            doubt,
            f"uncertainty {doubt:.2f} between {' and '.join(categories[c] for c in pair)}, in similar images too",
        )
        for doubt, pair in zip(doubts, pairs, strict=True)
    ]
