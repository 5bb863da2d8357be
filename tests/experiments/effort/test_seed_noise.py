"""Intervals of few seeds hold the truth as often as they say, and are not three times as wide as they need to be."""

from __future__ import annotations

import numpy as np
import pytest

from assay.experiments.effort.seed_noise import moderate, seed_draws
from assay.experiments.learning_curves import interval


def world(rng: np.random.Generator, schemes: int, spread: float) -> np.ndarray:
    """(schemes, 3 seeds, 2 budgets) of schemes that are truly alike: seeds lucky for all, and for each."""
    own = 0.02 * np.exp(rng.normal(0, spread, (schemes, 1, 1)))
    return rng.normal(0.7, 0.05, (1, 3, 2)) + rng.normal(0, 1, (schemes, 3, 2)) * own


@pytest.mark.parametrize(("schemes", "spread"), [(2, 0.0), (4, 0.0), (9, 0.0), (9, 0.5)])
def test_the_interval_of_a_difference_holds_the_truth_about_as_often_as_it_says(schemes, spread):
    held, trials = 0, 400
    for trial in range(trials):
        each = world(np.random.default_rng([trial, schemes]), schemes, spread)
        drawn = seed_draws(each, 400, trial)
        value = float(each[1, :, 0].mean() - each[0, :, 0].mean())
        low, high = interval(value + drawn[:, 1, 0] - drawn[:, 0, 0], value)
        held += low <= 0 <= high
    assert 0.915 <= held / trials <= 0.985


def test_variances_that_are_alike_have_the_freedom_of_all_and_others_keep_theirs():
    rng = np.random.default_rng(0)
    alike = rng.chisquare(2, (60, 3)) / 2
    moderated, freedom = moderate(alike, 2)
    assert freedom > 10
    assert moderated.std() < 0.5 * alike.std()
    unlike = alike * np.exp(rng.normal(0, 3, (60, 3)))
    moderated, freedom = moderate(unlike, 2)
    assert freedom < 4
    assert np.corrcoef(np.log(moderated).ravel(), np.log(unlike).ravel())[0, 1] > 0.9


def test_two_schemes_and_schemes_that_learn_nothing_are_left_as_they_are():
    pair = np.array([[0.1], [0.3]])
    assert moderate(pair, 2) == (pair, 2.0)
    still = np.zeros((5, 2))
    assert moderate(still, 2)[1] == 2.0
    assert (seed_draws(np.full((3, 2, 2), 0.5), 10, 0) == 0).all()
