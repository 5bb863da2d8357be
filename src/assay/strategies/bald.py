"""BALD: the images about which the draws of a model disagree most, each of them being sure.

N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel: Bayesian Active Learning for Classification and Preference Learning.
2011: the mutual information of label and model, H(mean p) − mean H(p). The draws are dropout, as in Y. Gal, R. Islam,
Z. Ghahramani: Deep Bayesian Active Learning with Image Data. ICML 2017, on the embeddings before a probe fitted on the
labels; one mask a draw for all images, so that a draw is one model (A. Kirsch et al.: BatchBALD. NeurIPS 2019).
The top of the list may repeat itself: `select.diversity` sees to that.
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

NEEDS_MODEL = False
NEEDS_EMBEDDINGS = True


def select(
    pool: Candidates,
    budget: int,
    rng: np.random.Generator,
    *,
    draws: Annotated[int, within(2, 1000)] = 20,
    dropout: Annotated[float, within(0, 1, above=True, below=True)] = 0.5,
) -> NDArray[np.int64]:
    """`draws` models, each without a share of `dropout` of the dimensions. Under two labelled classes: `kcenter`."""
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
    """(len(rows),) nats that the label of each image would tell about the model."""
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
            f"its label would tell {value:.2f} nats of the model: perhaps {' or '.join(categories[c] for c in pair)}",
        )
        for value, pair in zip(nats, pairs, strict=True)
    ]
