"""BALD: the images with the highest mutual information between label and model.

N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel: Bayesian Active Learning for Classification and Preference Learning.
2011: H(mean p) − mean H(p), high where the draws of a model disagree and each is sure. A draw is dropout on the
embeddings before a probe on the labels, after Y. Gal, R. Islam, Z. Ghahramani: Deep Bayesian Active Learning with Image
Data. ICML 2017; all images share the mask of a draw, so that a draw is one model (A. Kirsch et al.: BatchBALD. NeurIPS
2019). Similar images may follow each other: set `select.diversity` above 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from assay.params.bounds import within
from assay.strategies import Candidates, Explanation, best_first, kcenter, two_likeliest
from assay.strategies._probe import fitted, logits, standardised
from assay.strategies.entropy import entropies
from assay.training.linear_probe import LinearProbe, softmax

NEEDS = ("embeddings", "classes")


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    draws: Annotated[int, within(2, 1000)] = 20,
    dropout: Annotated[float, within(0, 1, above=True, below=True)] = 0.5,
) -> NDArray[np.int64]:
    """`draws`: number of models; `dropout`: share of dimensions dropped. With fewer than two classes: `kcenter`."""
    probe = fitted(pool)
    if probe is None:
        return kcenter.select(pool, budget, rng)
    scores = np.zeros(len(pool.labelled))
    scores[pool.unlabelled] = information(probe, pool.embeddings, pool.unlabelled, rng, draws, dropout)
    return best_first(pool, scores, budget)


def information(
    probe: LinearProbe,
    X: NDArray[np.float32],
    rows: NDArray[np.int64],
    rng: np.random.Generator,
    draws: int,
    dropout: float,
) -> NDArray[np.float64]:
    """(len(rows),) mutual information of label and model, in nats."""
    masks = (rng.random((draws, len(probe.weights), 1)) >= dropout) / np.float32(1 - dropout)
    thinned = np.concatenate([probe.weights * mask for mask in masks.astype(np.float32)], axis=1)
    told = np.empty(len(rows))
    for start, Z in standardised(probe, X, rows):
        votes = softmax((Z @ thinned).reshape(len(Z), draws, -1) + probe.bias)
        each = entropies(votes.reshape(len(Z) * draws, -1)).reshape(len(Z), draws).mean(axis=1)
        told[start : start + len(Z)] = entropies(votes.mean(axis=1)) - each
    return np.maximum(told, 0)


def explain(pool: Candidates, picks: NDArray[np.int64], categories: Sequence[str]) -> Explanation:
    probe = fitted(pool)
    if probe is None:
        return kcenter.explain(pool, picks, categories)
    nats = information(probe, pool.embeddings, picks, np.random.default_rng(0), 20, 0.5).tolist()
    pairs = two_likeliest(softmax(logits(probe, pool.embeddings, picks)))
    return [
        (
            value,
            f"mutual information {value:.2f} nats: perhaps {' or '.join(categories[c] for c in pair)}",
        )
        for value, pair in zip(nats, pairs, strict=True)
    ]
