"""From the ranking of a strategy to the queue: diversity, and balance of the predicted classes or objects.

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
Floats = NDArray[np.float64]

OVER = 10.0
"""Classes are balanced among the choice for this multiple of the budget."""
HALF = 0.5
"""Expected objects of a class from which on an image shows it."""


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
    """Reordered: at each turn the best-ranked image that shows the class with the fewest objects so far.

    Objects so far are those of the labels and of the images before. An image shows a class from HALF an expected object
    on; images that show none come last. Unchanged where nothing is expected: see `expected`.
    """
    of_images = expected(pool, ranking)
    if of_images is None:
        return ranking
    have = labelled_objects(pool, of_images.shape[1])
    waiting = [np.flatnonzero(shown)[::-1].tolist() for shown in (of_images >= HALF).T]
    taken = np.zeros(len(ranking), bool)
    order: list[int] = []
    while True:
        for rows in waiting:
            while rows and taken[rows[-1]]:
                rows.pop()
        left = [c for c, rows in enumerate(waiting) if rows]
        if not left:
            return ranking[np.array([*order, *np.flatnonzero(~taken)], np.int64)]
        row = waiting[min(left, key=lambda c: (have[c], waiting[c][-1]))].pop()
        taken[row] = True
        order.append(row)
        have += of_images[row]


def expected(pool: Candidates, rows: Ints) -> Floats | None:
    """(len(rows), classes) expected number of objects; of a task without objects, 1 of the predicted class.

    Without a champion the objects of the nearest labelled image. None without labels, or without `predicted`.
    """
    if pool.objects is None:
        classes = predicted(pool, rows)
        return None if classes is None else np.eye(int(classes.max(initial=-1)) + 1)[classes]
    objects = pool.objects[rows]
    return _of_neighbours(pool, pool.objects, rows) if np.isnan(objects).any() else objects


def _of_neighbours(pool: Candidates, objects: Floats, rows: Ints) -> Floats | None:
    known = np.flatnonzero(pool.labelled & ~np.isnan(objects).any(1))
    if not len(known):
        return None
    points, labelled = (np.asarray(pool.embeddings[some], np.float32) for some in (rows, known))
    of_nearest: Floats = objects[known[assigned(points, labelled)[0]]]
    return of_nearest


def labelled_objects(pool: Candidates, classes: int) -> Floats:
    """(classes,) number of labelled objects; of a task without objects, of labelled images."""
    if pool.objects is not None:
        sums: Floats = np.nansum(pool.objects[pool.labelled], axis=0)
        return sums
    if pool.targets is None:
        return np.zeros(classes)
    known = pool.targets[pool.labelled & (pool.targets >= 0) & (pool.targets < classes)]
    return np.bincount(known, minlength=classes).astype(np.float64)


def predicted(pool: Candidates, rows: Ints) -> Ints | None:
    """(len(rows),) predicted class by the model, without one by a probe on the labels; None without either."""
    if pool.probabilities is not None:
        likeliest: Ints = pool.probabilities[rows].argmax(axis=1)
        return likeliest
    probe = fitted(pool)
    return None if probe is None else logits(probe, pool.embeddings, rows).argmax(axis=1)
