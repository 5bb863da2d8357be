from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from assay.strategies import Candidates, auto, draws_of
from assay.strategies._arms import compare, in_control


def blobs(n: int = 900, classes: int = 3, d: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, d) overlapping clouds, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return (rng.normal(size=(n, d)) + 1.5 * np.eye(classes, d)[y]).astype(np.float32), y


def pool_of(X, y, labelled, seed=0) -> Candidates:
    draws = np.random.default_rng([seed, 7]).random(len(X))
    return Candidates(X, None, labelled, np.ones(len(X), np.float32), np.where(labelled, y, -1), draws)


def rounds(X, y, budgets, **options) -> tuple[Candidates, list[np.ndarray]]:
    """Ask, answer, ask again."""
    labelled, asked = np.zeros(len(X), bool), []
    for budget in budgets:
        picks = auto.select(pool_of(X, y, labelled), budget, np.random.default_rng(0), **options)
        asked.append(picks)
        labelled = labelled | np.isin(np.arange(len(X)), picks)
    return pool_of(X, y, labelled), asked


def test_the_control_arm_is_asked_in_the_order_of_its_draws_and_by_nobody_else():
    X, y = blobs()
    pool, asked = rounds(X, y, [60, 60, 60], control=0.2)
    arm = in_control(pool, 0.2)
    asked_in_arm = [row for picks in asked for row in picks.tolist() if arm[row]]
    by_draw = np.flatnonzero(arm)[np.argsort(pool.draws[arm])]
    assert len(asked_in_arm) == 30  # a fifth of what goes beyond ten a class
    assert asked_in_arm == by_draw[:30].tolist()


def test_the_control_is_spread_over_the_batch():
    X, y = blobs()
    pool, asked = rounds(X, y, [30, 100], control=0.1)
    places = np.flatnonzero(in_control(pool, 0.1)[asked[1]])
    assert np.diff(places).tolist() == [10] * 9
    assert not in_control(pool, 0.1)[asked[0]].any()  # nobody knows yet how many classes there are


def test_what_the_control_lacks_is_made_up_for_in_more_than_one_batch():
    X, y = blobs()
    arm = in_control(pool_of(X, y, np.zeros(900, bool)), 0.1)
    labelled = np.zeros(900, bool)
    labelled[np.flatnonzero(~arm)[:500]] = True
    picks = auto.select(pool_of(X, y, labelled), 50, np.random.default_rng(0), control=0.1)
    assert arm[picks].sum() == 10


def test_without_draws_there_is_no_control():
    X, y = blobs()
    labelled = np.arange(900) < 200
    pool = dataclasses.replace(pool_of(X, y, labelled), draws=None)
    decision = auto.decide(pool)
    assert decision.comparison is None
    assert "too few random ones" in decision.why
    assert len(auto.select(pool, 50, np.random.default_rng(0))) == 50


def test_labels_that_teach_little_call_for_coverage_and_those_that_teach_much_for_doubt():
    X, y = blobs()
    known = np.arange(900) < 100
    apart = (X + 6 * np.eye(3, 8)[y]).astype(np.float32)
    alike = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    assert auto.decide(pool_of(X, y, known & False)).name == "maxherding"
    easy, hard = auto.decide(pool_of(apart, y, known)), auto.decide(pool_of(alike, y, known))
    assert (easy.name, hard.name) == ("uncertainty_herding", "maxherding")
    assert easy.knowledge > 0.95
    assert hard.knowledge < 0.2
    assert "teach a probe 100% of what it has not seen: that is many (75%, or 50 a class)" in easy.why


def test_where_labels_never_teach_much_their_number_decides():
    _, y = blobs()
    alike = np.random.default_rng(1).normal(size=(900, 8)).astype(np.float32)
    names = [auto.decide(pool_of(alike, y, np.arange(900) < known)).name for known in (120, 180)]
    assert names == ["maxherding", "uncertainty_herding"]


def misled() -> Candidates:
    """Chosen labels of two classes only, those of the control arm of all three."""
    X, y = blobs()
    arm = in_control(pool_of(X, y, np.ones(900, bool)), 0.2)
    return pool_of(X, y, arm | ((y < 2) & (np.arange(900) < 700)))


def test_where_choosing_teaches_less_than_chance_it_draws_at_random_and_says_so():
    pool = misled()
    decision = auto.decide(pool, control=0.2)
    assert decision.name == "random"
    assert decision.comparison.high < 0
    assert "the chosen ones teach less than the random ones" in decision.why
    picks = auto.select(pool, 20, np.random.default_rng(0), control=0.2)
    told = auto.explain(pool, picks, ["a", "b", "c"], control=0.2)
    assert any("drawn at random; random, as" in sentence for _, sentence in told)


def test_chosen_labels_that_were_drawn_at_random_are_not_called_worse():
    X, y = blobs()
    verdicts = [
        compare(pool, in_control(pool, 0.2))
        for seed in range(3)
        if (pool := pool_of(X, y, np.random.default_rng(seed).random(900) < 0.5, seed))
    ]
    assert sum(found.worse for found in verdicts) <= 1
    assert all(found.low < found.high for found in verdicts)


def test_too_few_of_either_arm_prove_nothing():
    X, y = blobs()
    pool = pool_of(X, y, np.arange(900) < 100)
    assert compare(pool, in_control(pool, 0.1)) is None
    everything = pool_of(X, y, in_control(pool, 0.2))
    assert compare(everything, in_control(pool, 0.2)) is None


def test_the_explanation_names_the_strategy_and_the_evidence():
    X, y = blobs()
    pool = pool_of(X, y, np.random.default_rng(0).random(900) < 0.3)
    picks = auto.select(pool, 40, np.random.default_rng(0), control=0.2)
    told = auto.explain(pool, picks, ["a", "b", "c"], control=0.2)
    drawn = in_control(pool, 0.2)[picks]
    assert 0 < drawn.sum() <= 16
    for is_drawn, (_, sentence) in zip(drawn, told, strict=True):
        assert ("as the control" in sentence) == bool(is_drawn)
        assert is_drawn or "points [" in sentence


def test_draws_are_of_the_id_alone():
    ids = [f"{k:04}" for k in range(2000)]
    draws = draws_of(ids)
    assert draws_of(ids[::-1]).tolist() == draws[::-1].tolist()
    assert draws_of(ids[5:9]).tolist() == draws[5:9].tolist()
    assert 0 <= draws.min() < 0.01 < 0.99 < draws.max() < 1
    assert 0.08 < (draws < 0.1).mean() < 0.12
    assert draws_of(ids, 1).tolist() != draws.tolist()


@pytest.mark.parametrize("control", [0.0, 1.0])
def test_the_extremes_of_the_control_are_all_chosen_and_all_random(control):
    X, y = blobs(300)
    _, (picks,) = rounds(X, y, [300], control=control)
    assert sorted(picks.tolist()) == list(range(300))
