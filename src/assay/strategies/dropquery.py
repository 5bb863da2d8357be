"""DropQuery: images whose predicted class changes when features are dropped, one of each cluster.

S. R. Gupte, J. Aklilu, J. J. Nirschl, S. Yeung-Levy: Revisiting Active Learning in the Era of Vision Foundation Models.
TMLR 2024, section 4: candidates are the images for which most dropout passes disagree with the prediction. k-means
divides them into as many clusters as the budget pays for, and the image nearest to each centre is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from assay.params.bounds import Count, within
from assay.strategies import Candidates, Explanation, affordable, maxherding, two_likeliest
from assay.strategies._clusters import medoids
from assay.strategies._probe import fitted, logits, standardised
from assay.strategies.margin import margins
from assay.training.linear_probe import LinearProbe, softmax

NEEDS = ("embeddings", "classes")
NESTED = False


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    passes: Annotated[int, within(1, 1000)] = 3,
    dropout: Annotated[float, within(0, 1, below=True)] = 0.75,
    most: Count = 50000,
) -> NDArray[np.int64]:
    """`passes`: number of dropout passes; `dropout`: share of the embedding's dimensions dropped in each.

    The model is a probe on all labels. With too few candidates, the rest of the batch is filled by the number of passes
    that disagree, then by margin. With more than `most`, those with the smallest margins are clustered. With fewer than
    two labelled classes: `maxherding`.
    """
    probe = fitted(pool)
    if probe is None:
        return maxherding.select(pool, budget, rng)
    rows = pool.unlabelled
    gaps = margins(softmax(logits(probe, pool.embeddings, rows)))
    votes = disagreements(probe, pool.embeddings, rows, rng, passes, dropout)
    ranking = rows[np.lexsort((gaps, -votes))]
    changing = ranking[: int((votes > passes // 2).sum())]
    candidates = np.sort(changing[pool.costs[changing] <= budget][:most])
    chosen = one_of_each(pool, probe, candidates, budget, int(rng.integers(2**31)))
    rest = ranking[~np.isin(ranking, chosen)]
    return affordable(np.concatenate([chosen, rest]), pool.costs, budget)


def one_of_each(
    pool: Candidates, probe: LinearProbe, candidates: NDArray[np.int64], budget: float, seed: int
) -> NDArray[np.int64]:
    """Candidates within the budget, each the nearest to the centre of a cluster."""
    if not len(candidates):
        return candidates
    groups = int(budget / float(pool.costs[candidates].mean(dtype=np.float64)))
    points = np.concatenate([Z for _, Z in standardised(probe, pool.embeddings, candidates)])
    return candidates[medoids(points, max(groups, 1), seed)]


def disagreements(
    probe: LinearProbe,
    X: NDArray[np.float32],
    rows: NDArray[np.int64],
    rng: np.random.Generator,
    passes: int,
    dropout: float,
) -> NDArray[np.int64]:
    """(len(rows),) number of `passes` that predict another class than without dropout."""
    votes = np.zeros(len(rows), np.int64)
    for start, Z in standardised(probe, X, rows):
        predicted = (Z @ probe.weights + probe.bias).argmax(axis=1)
        for _ in range(passes):
            kept = rng.random(Z.shape, dtype=np.float32) >= dropout
            thinned = np.where(kept, Z, 0) @ probe.weights / np.float32(1 - dropout) + probe.bias
            votes[start : start + len(Z)] += thinned.argmax(axis=1) != predicted
    return votes


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    probe = fitted(pool)
    if probe is None:
        return maxherding.explain(pool, picks, categories)
    probabilities = softmax(logits(probe, pool.embeddings, picks))
    pairs = [" and ".join(categories[c] for c in row) for row in two_likeliest(probabilities)]
    gaps = margins(probabilities).astype(float).tolist()
    return [
        (gap, f"prediction changes when features are dropped: margin {gap:.2f} between {pair}")
        for gap, pair in zip(gaps, pairs, strict=True)
    ]
