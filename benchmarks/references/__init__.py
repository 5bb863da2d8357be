"""Strategies as others have published them: scikit-activeml's code behind the contract of `assay.strategies`.

What label efficiency is measured beside. Each is given the same embeddings and labels, and its defaults; those that
ask a classifier ask the probe that measures, as a scikit-learn pipeline. `pip install scikit-activeml`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates

NAMES = ("badge", "core_set", "drop_query", "max_herding", "prob_cover", "typi_clust")
STRENGTH = 0.01


def ask(
    strategy: type, pool: Candidates, budget: int, rng: np.random.Generator, **more: Any
) -> NDArray[np.int64]:
    """The rows that a class of skactiveml.pool chooses."""
    made = strategy(random_state=int(rng.integers(2**31)), **more.pop("settings", {}))
    assert pool.targets is not None
    labels = np.where(pool.labelled, pool.targets, np.nan).astype(float)
    chosen = made.query(np.asarray(pool.embeddings, np.float64), labels, batch_size=budget, **more)
    return np.asarray(chosen, np.int64)


def probe(pool: Candidates) -> Any:
    """A classifier that bears missing labels."""
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    assert pool.targets is not None
    made = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3))
    return SklearnClassifier(made, classes=list(range(10)), random_state=0)
