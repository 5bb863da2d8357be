"""What is read off learning curves, and that the intervals hold what they should."""

from __future__ import annotations

import numpy as np
import pytest

from assay.experiments.learning_curves import area, budget_needed, interval
from assay.experiments.simulation import curves
from assay.experiments.simulation.curves import measure

BUDGETS = np.array([10, 100, 1000])


def test_the_area_is_the_mean_over_the_logarithm_of_the_budget():
    assert area(np.array([0.5, 0.7, 0.9]), BUDGETS) == pytest.approx(0.7)
    assert area(np.array([0.0, 1.0, 1.0]), BUDGETS) == pytest.approx(0.75)
    assert area(np.array([[0.5], [0.6]]), np.array([10])).tolist() == [0.5, 0.6]


@pytest.mark.parametrize(
    ("curve", "level", "needed"),
    [
        ([0.5, 0.7, 0.9], 0.6, 10**1.5),
        ([0.5, 0.7, 0.9], 0.7, 100),
        ([0.5, 0.7, 0.9], 0.4, 10),
        ([0.5, 0.7, 0.9], 0.95, np.inf),
        ([0.5, 0.9, 0.6], 0.8, 10**1.75),  # first reached, whatever comes later
        ([0.5, 0.5, 0.5], 0.5, 10),
    ],
)
def test_labels_needed_are_read_off_between_budgets(curve, level, needed):
    assert budget_needed(np.array([curve]), BUDGETS, level)[0] == pytest.approx(needed)


def world(rng: np.random.Generator, n: int = 150, seeds: int = 4) -> np.ndarray:
    """(2, seeds, 3, n): the second strategy is truly 5 points above the first; images are hard, seeds lucky."""
    hard = rng.normal(0, 0.2, n)
    lucky = rng.normal(0, 0.03, (seeds, 1, 1))
    own = rng.normal(0, 0.015, (2, seeds, 1, 1))
    level = np.array([0.5, 0.6, 0.7])[:, None] + np.array([0.0, 0.05])[:, None, None, None]
    return rng.random((2, seeds, 3, n)) < level + lucky + own + hard


def test_the_interval_of_a_gain_holds_the_truth_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(curves, "DRAWS", 400)
    held, widths, trials = 0, [], 200
    for trial in range(trials):
        found = measure(world(np.random.default_rng(trial)), BUDGETS, 0)
        areas, drawn = area(found.mean, BUDGETS), area(found.drawn, BUDGETS)
        low, high = interval(drawn[:, 1] - drawn[:, 0], areas[1] - areas[0])
        held += low <= 0.05 <= high
        widths.append(high - low)
    assert 0.91 <= held / trials <= 0.995
    assert np.median(widths) < 0.16


def twelve(rng: np.random.Generator, gain: float) -> np.ndarray:
    """(12, 15, 3, 150): twelve strategies, of which one is better, each as its own luck with a seed has it."""
    hard = rng.normal(0, 0.2, 150)
    own = rng.normal(0, 0.03, (12, 15, 1, 1))
    better = np.where(np.arange(12) == 1, gain, 0)[:, None, None, None]
    return rng.random((12, 15, 3, 150)) < np.array([0.5, 0.6, 0.7])[:, None] + better + own + hard


def sure_of(right: np.ndarray) -> int | None:
    """Which of twelve is called better than the first: chosen on five seeds, judged on ten others."""
    best = int(np.argmax(area(right[:, :5].mean((1, 3)), BUDGETS)))
    if not best:
        return None
    found = measure(right[[0, best], 5:], BUDGETS, 0, chosen_among=11)
    areas, drawn = area(found.mean, BUDGETS), area(found.drawn, BUDGETS)
    low, _ = interval(drawn[:, 1] - drawn[:, 0], areas[1] - areas[0])
    return best if low > 0 else None


def test_the_best_of_twelve_is_seldom_called_better_by_luck_and_mostly_where_it_is(monkeypatch):
    monkeypatch.setattr(curves, "DRAWS", 400)
    lucky = [sure_of(twelve(np.random.default_rng(trial), 0.0)) for trial in range(100)]
    found = [sure_of(twelve(np.random.default_rng(trial), 0.06)) for trial in range(50)]
    assert sum(one is not None for one in lucky) <= 5
    assert sum(one == 1 for one in found) >= 35


def test_draws_are_the_same_for_the_same_seed_and_vary_about_the_mean():
    right = world(np.random.default_rng(1))
    first, second = measure(right, BUDGETS, 3), measure(right, BUDGETS, 3)
    assert np.array_equal(first.drawn, second.drawn)
    assert np.abs(first.drawn.mean(0) - first.mean).max() < 0.01
    assert not np.array_equal(first.drawn, measure(right, BUDGETS, 4).drawn)


def test_seeds_that_agree_add_no_noise():
    one = world(np.random.default_rng(2), seeds=2)[:, :1]
    same = measure(np.repeat(one, 3, axis=1), BUDGETS, 0)
    images = measure(np.repeat(one, 3, axis=1), BUDGETS, 1)
    assert same.drawn.std(0).max() == pytest.approx(images.drawn.std(0).max(), rel=0.15)
    assert same.drawn.std(0).max() < 0.06
