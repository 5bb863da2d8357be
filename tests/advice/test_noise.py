from __future__ import annotations

import numpy as np
import pytest

from assay.advice.noise import measure

TARGETS = np.arange(400) % 4


def answers(accuracy: float, rng: np.random.Generator) -> np.ndarray:
    right = rng.random(len(TARGETS)) < accuracy
    said = np.where(right, TARGETS, (TARGETS + 1) % 4)
    return (0.05 + 0.8 * np.eye(4)[said]).astype(np.float32)


def test_the_means_are_the_metric_and_the_draws_scatter_about_them():
    rng = np.random.default_rng(0)
    held = {name: [answers(p, rng) for _ in range(3)] for name, p in (("a", 0.7), ("b", 0.8))}
    found = measure(held, TARGETS, "accuracy", {"a": "x", "b": "x"}, seed=0)
    expected = np.mean([(p.argmax(1) == TARGETS).mean() for p in held["a"]])
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
    same = [answers(0.7, rng)]
    found = measure({"a": same, "b": same}, TARGETS, "macro_f1", {"a": "x", "b": "x"}, seed=0)
    draws = found.draws(rng)
    assert np.ptp(draws[:, 0] - draws[:, 1]) == 0.0
    assert found.freedom.tolist() == [0, 0]


def test_a_loss_is_turned():
    rng = np.random.default_rng(0)
    held = {"good": [answers(0.9, rng)], "bad": [answers(0.5, rng)]}
    found = measure(held, TARGETS, "log_loss", dict.fromkeys(held, "x"), seed=0)
    assert 0 > found.value("good") > found.value("bad")
