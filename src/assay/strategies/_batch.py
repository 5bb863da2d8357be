"""From the ranking of a strategy to the queue: diversity, and balance of the predicted classes.

Both ask the strategy for more than the budget and reorder its choice; the budget is then spent from the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates, affordable
from assay.strategies._clusters import assigned, centres
from assay.strategies._probe import fitted, logits

Ints = NDArray[np.int64]

OVER = 10.0
"""Classes are balanced among the choice for this multiple of the budget."""


def choose(
    strategy: ModuleType,
    pool: Candidates,
    budget: float,
    rng: np.random.Generator,
    options: Mapping[str, Any],
    *,
    balance: bool = False,
    diversity: float = 1.0,
) -> Ints:
    """The rows to queue, best first. Images of the control arm keep their place."""
    if not balance and diversity <= 1:
        picks: Ints = strategy.select(pool, budget, rng, **options)
        return picks
    ranking = strategy.select(pool, budget * max(diversity, OVER if balance else 1), rng, **options)
    fixed = (
        strategy.fixed(pool, ranking, **options)
        if hasattr(strategy, "fixed")
        else np.zeros(len(ranking), bool)
    )
    free = ranking[~fixed]
    if diversity > 1:
        free = diverse(pool, free, budget, int(rng.integers(2**31)))
    if balance:
        free = balanced(pool, free)
    queue = ranking.copy()
    queue[~fixed] = free
    return affordable(queue, pool.costs, budget)


def diverse(pool: Candidates, ranking: Ints, budget: float, seed: int) -> Ints:
    """Reordered: first the best of each k-means cluster, with one cluster an image of the budget, then the others.

    After G. Citovsky et al.: Batch Active Learning at Scale (cluster-margin). NeurIPS 2021.
    """
    if not len(ranking):
        return ranking
    groups = max(int(budget / float(pool.costs[ranking].mean(dtype=np.float64))), 1)
    if groups >= len(ranking):
        return ranking
    points = np.asarray(pool.embeddings[ranking], np.float32)
    group, _ = assigned(points, centres(points, groups, seed))
    first = np.zeros(len(ranking), bool)
    first[np.unique(group, return_index=True)[1]] = True
    return np.concatenate([ranking[first], ranking[~first]])


def balanced(pool: Candidates, ranking: Ints) -> Ints:
    """Reordered: at each turn the best-ranked image of the predicted class with the fewest labels and turns so far.

    Unchanged without predictions: no probabilities, and fewer than two classes labelled.
    """
    classes = predicted(pool, ranking)
    if classes is None:
        return ranking
    have = np.zeros(int(classes.max(initial=-1)) + 1, np.int64)
    if pool.targets is not None:
        known = pool.targets[pool.labelled & (pool.targets >= 0) & (pool.targets < len(have))]
        have = np.bincount(known, minlength=len(have))
    waiting = [np.flatnonzero(classes == c)[::-1].tolist() for c in range(len(have))]
    order = []
    for _ in range(len(ranking)):
        poorest = min((c for c in range(len(have)) if waiting[c]), key=lambda c: (have[c], waiting[c][-1]))
        order.append(waiting[poorest].pop())
        have[poorest] += 1
    return ranking[np.array(order, np.int64)]


def predicted(pool: Candidates, rows: Ints) -> Ints | None:
    """(len(rows),) predicted class by the model, without one by a probe on the labels; None without either."""
    if pool.probabilities is not None:
        likeliest: Ints = pool.probabilities[rows].argmax(axis=1)
        return likeliest
    probe = fitted(pool)
    return None if probe is None else logits(probe, pool.embeddings, rows).argmax(axis=1)
