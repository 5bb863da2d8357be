from __future__ import annotations

import numpy as np
import pytest

from assay.experiments.advice.noise import measure
from assay.metrics.classification import Classified

TARGETS = np.arange(400) % 4


def answers(accuracy: float, rng: np.random.Generator) -> np.ndarray:
    right = rng.random(len(TARGETS)) < accuracy
    said = np.where(right, TARGETS, (TARGETS + 1) % 4)
    return (0.05 + 0.8 * np.eye(4)[said]).astype(np.float32)


def judged(probabilities: np.ndarray) -> Classified:
    return Classified(probabilities, TARGETS)


def test_the_means_are_the_metric_and_the_draws_scatter_about_them():
    rng = np.random.default_rng(0)
    held = {name: [judged(answers(p, rng)) for _ in range(3)] for name, p in (("a", 0.7), ("b", 0.8))}
    found = measure(held, "accuracy", {"a": "x", "b": "x"}, seed=0)
    expected = np.mean([one.quality.mean() for one in held["a"]])
    assert found.value("a") == pytest.approx(expected)
    draws = found.draws(np.random.default_rng(1))
    assert draws.mean(0) == pytest.approx(found.values, abs=0.005)
    assert found.freedom.tolist() == [4, 4]
    both, val, seeds = (
        found.draws(np.random.default_rng(1), **on)[:, 0].var()
        for on in ({}, {"seeds": False}, {"val": False})
    )
    assert both > val > 0
    assert both > seeds > 0


def test_the_same_model_on_the_same_images_differs_by_nothing():
    rng = np.random.default_rng(0)
    same = [judged(answers(0.7, rng))]
    found = measure({"a": same, "b": same}, "macro_f1", {"a": "x", "b": "x"}, seed=0)
    draws = found.draws(rng)
    assert np.ptp(draws[:, 0] - draws[:, 1]) == 0.0
    assert found.freedom.tolist() == [0, 0]


def test_a_loss_is_turned():
    rng = np.random.default_rng(0)
    held = {"good": [judged(answers(0.9, rng))], "bad": [judged(answers(0.5, rng))]}
    found = measure(held, "log_loss", dict.fromkeys(held, "x"), seed=0)
    assert 0 > found.value("good") > found.value("bad")


def test_the_interval_of_a_difference_holds_the_truth_with_seeds_that_differ_and_without():
    """Images of their own difficulty, seeds of their own strength, and a disagreement on single images."""
    from scipy.stats import norm

    rng, n, k = np.random.default_rng(0), 150, 3
    for strength in (0.0, 0.2):
        hits = []
        for _ in range(40):
            ease, held = rng.normal(1.2, 1.2, n), {}
            for c in range(4):
                score = (
                    ease + 0.4 * (c == 3) + strength * rng.normal(size=(k, 1)) + 0.7 * rng.normal(size=(k, n))
                )
                chances = [np.stack([s > 0, s <= 0], 1).astype(np.float32) for s in score]
                held[f"c{c}"] = [Classified(each, np.zeros(n, int)) for each in chances]
            found = measure(held, "accuracy", dict.fromkeys(held, "x"), seed=0)
            draws = found.draws(rng)
            low, high = np.percentile(draws[:, 3] - draws[:, 0], (2.5, 97.5))
            spread = np.sqrt(1.2**2 + strength**2 + 0.7**2)
            hits.append(low <= norm.cdf(1.6 / spread) - norm.cdf(1.2 / spread) <= high)
        assert np.mean(hits) >= 0.85
