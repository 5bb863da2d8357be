"""Metrics of several tags an image are scikit-learn's, under weights too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, log_loss

from assay.metrics.judged import measure
from assay.metrics.multilabel import Tagged, average_precision, judge
from assay.tasks import multilabel


def drawn(n: int, k: int, seed: int, levels: int = 0) -> Tagged:
    """Noisy probabilities; `levels`: of so many values only, so that there are ties."""
    rng = np.random.default_rng(seed)
    shown = rng.random((n, k)) < 0.3
    p = np.clip(0.25 + 0.4 * shown + 0.25 * rng.standard_normal((n, k)), 0.001, 0.999)
    return Tagged((np.round(p * levels) / levels if levels else p).astype(np.float32), shown)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([0, 2, 5]), n=st.integers(1, 40))
def test_average_precision_is_that_of_scikit_learn_under_weights(seed, levels, n):
    one, rng = drawn(n, 1, seed, levels), np.random.default_rng(seed)
    weights = rng.integers(0, 4, (3, n)).astype(np.float32)
    found = average_precision(one.probabilities[:, 0], one.targets[:, 0], weights)
    for row, value in zip(weights, found, strict=True):
        if not row[one.targets[:, 0]].sum():
            assert np.isnan(value)
            continue
        expected = average_precision_score(one.targets[:, 0], one.probabilities[:, 0], sample_weight=row)
        assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("levels", [0, 4])
def test_the_other_metrics_are_those_of_scikit_learn(levels):
    one = drawn(200, 6, 1, levels)
    values = {name: float(rows[0]) for name, rows in one.values().items()}
    said = one.probabilities >= 0.5
    assert values["map"] == pytest.approx(average_precision_score(one.targets, one.probabilities), abs=1e-12)
    for average in ("macro", "micro"):
        expected = f1_score(one.targets, said, average=average)
        assert values[f"{average}_f1"] == pytest.approx(expected, abs=1e-12)
    if not levels:
        pairs = one.targets.ravel(), one.probabilities.ravel().astype(np.float64)
        assert values["log_loss"] == pytest.approx(log_loss(*pairs), abs=1e-9)


def test_calibration_is_the_gap_of_each_bin():
    p = np.full((100, 2), 0.9, np.float32)
    shown = np.zeros((100, 2), bool)
    shown[:80] = True
    assert Tagged(p, shown).values()["ece"][0] == pytest.approx(0.1, abs=1e-6)
    assert Tagged(p, np.arange(200).reshape(100, 2) % 10 > 0).values()["ece"][0] == pytest.approx(0, abs=1e-6)


def test_nothing_is_right_where_nothing_is_there_and_classes_nobody_shows_do_not_count():
    p = np.array([[0.1, 0.9], [0.2, 0.1]], np.float32)
    one = Tagged(p, np.array([[False, True], [False, False]]))
    assert one.quality.tolist() == [1.0, 1.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = measure(one, 100, 0)
        classes = one.per_class(["a", "b"])
    assert rows["map"]["value"] == rows["macro_f1"]["value"] == 1.0
    assert rows["micro_f1"]["low"] < 0.6, "one tag of two images says little"
    assert classes["a"]["ap"]["value"] is None
    assert classes["b"]["f1"]["n"] == 1


def test_a_model_without_a_class_gives_it_no_chance():
    table = multilabel.to_table(np.array([[0.9], [0.2]], np.float32), ["b"])
    one = judge(table, ["b"], ['["a","b"]', "[]"], ["a", "b"])
    assert one.probabilities.tolist() == [[0, pytest.approx(0.9)], [0, pytest.approx(0.2)]]
    assert one.targets.tolist() == [[True, True], [False, False]]
    assert one.words == ["b", "nothing"]
    assert len(judge(table.slice(0, 0), ["b"], [], ["a", "b"])) == 0
