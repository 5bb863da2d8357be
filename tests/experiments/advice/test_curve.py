from __future__ import annotations

import numpy as np
import pytest

from assay.experiments.advice.curve import fit, nested

SIZES = np.array([250.0, 400, 630, 1000])


def law(n: np.ndarray, a: float = 0.97, b: float = 2.0, c: float = 0.5) -> np.ndarray:
    return a - b * n**-c


def test_a_law_without_noise_is_found_again_and_extrapolated():
    found = fit(SIZES, law(SIZES)[None, :], np.full(4, 1e-3), 1.0)
    assert found.at([2000.0])[0, 0] == pytest.approx(law(np.array(2000.0)), abs=5e-4)
    assert found.c[0] == pytest.approx(0.5, rel=0.1)


def test_no_law_promises_more_than_the_best_there_is():
    steep = np.array([[0.5, 0.7, 0.85, 0.99]])
    found = fit(SIZES, steep, np.full(4, 1e-3), 1.0)
    assert found.a[0] <= 1.0
    assert found.at([1e9])[0, 0] <= 1.0


def test_a_curve_that_falls_is_flat_it_promises_nothing_and_no_loss():
    found = fit(SIZES, np.array([[0.9, 0.89, 0.88, 0.87]]), np.full(4, 1e-2), 1.0)
    assert np.diff(found.at([1000.0, 2000.0]))[0, 0] == 0.0


def test_a_loss_is_turned_and_has_the_ceiling_zero():
    losses = -(0.2 + 3.0 * SIZES**-0.5)
    found = fit(SIZES, losses[None, :], np.full(4, 1e-3), 0.0)
    assert found.a[0] <= 0.0
    assert found.at([2000.0])[0, 0] == pytest.approx(-(0.2 + 3.0 * 2000**-0.5), abs=2e-3)


def test_the_interval_of_the_gain_holds_the_truth_about_as_often_as_it_says():
    rng, noise, hits = np.random.default_rng(0), np.array([0.012, 0.009, 0.007, 0.005]), []
    for _ in range(150):
        c = np.exp(np.log(0.5) + 0.5 * rng.standard_normal())
        b = 0.15 / (250.0**-c - 1000.0**-c)
        truth = law(np.array([1000.0, 1500.0]), 0.95, b, c)
        seen = law(SIZES, 0.95, b, c) + noise * rng.standard_normal(4)
        draws = seen + noise * rng.standard_normal((200, 4))
        gained = np.diff(fit(SIZES, draws, noise, 1.0, rng).at([1000.0, 1500.0]))[:, 0]
        low, high = np.percentile(gained, (2.5, 97.5))
        hits.append(low <= truth[1] - truth[0] <= high)
    assert 0.9 <= np.mean(hits) <= 1.0


def test_parts_are_nested_and_hold_every_class_in_its_share():
    targets = np.repeat([0, 1, 2], [120, 60, 20])
    parts = nested(targets, [20, 50, 100], seed=3)
    assert [len(part) for part in parts] == [20, 50, 100]
    assert set(parts[0]) < set(parts[1]) < set(parts[2])
    for part in parts:
        share = np.bincount(targets[part], minlength=3) / len(part)
        assert share == pytest.approx([0.6, 0.3, 0.1], abs=1.5 / len(part))
    assert not np.array_equal(parts[0], nested(targets, [20], seed=4)[0])
