"""Small experiments: what networks of a given skill would have predicted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assay.experiments.attribution import Corner, CornerOutcome, plan
from assay.metrics.classification import Classified

CLASSES = 4
Experiment = Callable[..., dict[Corner, list[CornerOutcome]]]


def predicted(targets: np.ndarray, ahead: float, rng: np.random.Generator) -> np.ndarray:
    """Probabilities (n, CLASSES): the right class is `ahead`."""
    logits = rng.standard_normal((len(targets), CLASSES))
    logits[np.arange(len(targets)), targets] += ahead
    powers = np.exp(logits)
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


@pytest.fixture
def experiment() -> Experiment:
    """Outcomes of all corners. effects: by player; 0 for another training without effect, None for the same bits."""

    def draw(
        effects: dict[str, float | None], n: int = 300, k: int = 3, seed: int = 0
    ) -> dict[Corner, list[CornerOutcome]]:
        rng = np.random.default_rng(seed)
        targets = rng.integers(0, CLASSES, n)
        ids = [f"{i:05d}" for i in range(n)]
        done: dict[Corner, list[CornerOutcome]] = {}
        for corner in plan(tuple(effects)).corners:
            training = frozenset(name for name in corner if effects[name] is not None)
            if training not in done:
                ahead = 1.0 + sum(effects[name] or 0.0 for name in training)
                done[training] = [
                    CornerOutcome(ids, Classified(predicted(targets, ahead, rng), targets)) for _ in range(k)
                ]
            done[corner] = done[training]
        return done

    return draw
