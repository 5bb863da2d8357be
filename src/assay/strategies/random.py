"""At random, each image equally likely: the baseline of every other strategy.

Stratified: at random within strata, each in proportion to its size, so that no stratum is missed by chance
(J. Neyman: On the Two Different Aspects of the Representative Method. 1934).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, Explanation, affordable, best_first
from assay.strategies._batch import predicted
from assay.strategies._clusters import MOST, assigned, centres

NEEDS = ()
EMBEDDED_OPTIONS = ("stratified",)

CLUSTERS = 20
"""Number of strata while no class can be predicted."""


def select(
    pool: Candidates, budget: int, rng: np.random.Generator, *, stratified: bool = False
) -> NDArray[np.int64]:
    """One number is drawn for each row, labelled or not: a new label does not change the order of the others.

    `stratified`: strata are the classes predicted by a probe on the labels, or k-means clusters of the embeddings with
    fewer than two classes. Any first part of the queue has the strata in proportion.
    """
    draws = rng.random(len(pool.labelled))
    if not stratified:
        return best_first(pool, draws, budget)
    rows = pool.unlabelled[np.argsort(-draws[pool.unlabelled], kind="stable")]
    return affordable(rows[spread(strata(pool, rows, rng), rng)], pool.costs, budget)


def strata(pool: Candidates, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """(len(rows),) stratum of each image."""
    classes = predicted(pool, rows) if len(rows) else None
    if classes is not None:
        return classes
    if len(rows) <= CLUSTERS or not pool.embeddings.shape[1]:
        return np.zeros(len(rows), np.int64)
    points = np.asarray(pool.embeddings[np.sort(rows[:MOST])], np.float32)
    middles = centres(points, CLUSTERS, int(rng.integers(2**31)))
    parts = [assigned(np.asarray(pool.embeddings[part], np.float32), middles)[0] for part in _blocks(rows)]
    return np.concatenate(parts)


def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + MOST] for start in range(0, len(rows), MOST)]


def spread(strata: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) an order in which the j-th of the m members of a stratum comes at about j/m of the length."""
    sizes = np.bincount(strata)
    order = np.argsort(strata, kind="stable")
    place = np.empty(len(strata))
    place[order] = np.arange(len(strata)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.argsort((place + rng.random(len(sizes))[strata]) / sizes[strata], kind="stable")


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    return [(0.0, "drawn at random")] * len(picks)
