from __future__ import annotations

import numpy as np
import pytest

from assay.training import linear_probe
from assay.training.linear_probe import fit, scale_of


def rare_channels(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 40) vectors of three classes and their classes: 20 channels that tell, 20 that are 0 in 29 of 30 images."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    tell = rng.normal(size=(n, 20)) + 3 * np.eye(3, 20)[y]
    rare = rng.exponential(1, (n, 20)) * (rng.random((n, 20)) < 1 / 30) + 1e-4 * rng.normal(size=(n, 20))
    return np.concatenate([tell, rare], axis=1).astype(np.float32), y


@pytest.mark.parametrize("seed", range(3))
def test_a_channel_that_few_labels_have_not_seen_does_not_decide(seed):
    X, y = rare_channels(2000, seed)
    probe = fit(X[:30], y[:30], 3, 0.3)
    assert np.abs(probe.standardised(X)).max() < 30
    assert (probe.probabilities(X[30:]).argmax(1) == y[30:]).mean() > 0.85


def test_with_many_vectors_the_scale_is_their_deviation():
    deviations = np.array([0.01, 1.0, 3.0])
    assert scale_of(deviations**2, 10_000_000) == pytest.approx(deviations, rel=0.06)


def test_one_huge_dimension_hides_no_other():
    scale = scale_of(np.array([1.0, 1.0, 1.0, 1e8]), 10)
    assert scale[:3] == pytest.approx([1, 1, 1])
    assert scale[3] > 1000


@pytest.mark.parametrize("d", [0, 1, 3])
def test_vectors_that_are_all_the_same_divide_by_one(d):
    assert scale_of(np.zeros(d), 5).tolist() == [1] * d


def test_vectors_are_left_alone_unless_they_may_be_overwritten():
    X, y = rare_channels(500)
    before, mine = X.copy(), X.copy()
    kept, overwritten = fit(X, y, 3, 0.3), fit(mine, y, 3, 0.3, overwrite=True)
    assert np.array_equal(X, before)
    assert np.array_equal(mine, kept.standardised(X))
    assert np.array_equal(kept.weights, overwritten.weights)


def test_the_scale_comes_from_all_dimensions_however_many_at_a_time(monkeypatch):
    X, y = rare_channels(500)
    whole = fit(X, y, 3, 0.3)
    monkeypatch.setattr(linear_probe, "AT_ONCE", 1000)
    assert np.array_equal(fit(X, y, 3, 0.3).scale, whole.scale)
