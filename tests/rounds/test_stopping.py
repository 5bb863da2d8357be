from __future__ import annotations

import pytest

from assay.params import Iterate
from assay.rounds.record import RoundRecord
from assay.rounds.stopping import control, reason


def estimate(value, low, high, n=500) -> dict:
    return {"value": value, "low": low, "high": high, "n": n}


def rounds(many: int = 2, metric: str = "accuracy", answers: int = 50, **last) -> list[RoundRecord]:
    """Rounds that no rule ends, the last one as told."""
    plain = {"name": "x", "asked": answers, "answered": {"label": answers}, "labelled": {"train": 100},
             "snapshot": "s", "selection": "t", "metric": metric, "test": estimate(0.8, 0.7, 0.9),
             "span": estimate(0.02, -0.03, 0.07)}  # fmt: skip
    return [RoundRecord(**plain | (last if n == many else {}), number=n) for n in range(1, many + 1)]


RULES = Iterate(rounds=10)


def test_nothing_stops_before_the_first_round_or_without_a_reason():
    assert reason([], Iterate(rounds=1)) is None
    assert reason(rounds(), RULES) is None


@pytest.mark.parametrize(
    ("metric", "test", "target", "stops"),
    [
        ("accuracy", estimate(0.95, 0.93, 0.97), 0.93, True),
        ("accuracy", estimate(0.95, 0.92, 0.97), 0.93, False),
        ("log_loss", estimate(0.20, 0.15, 0.25), 0.25, True),
        ("log_loss", estimate(0.20, 0.15, 0.26), 0.25, False),
    ],
)
def test_a_target_is_reached_by_the_worse_end_of_the_interval(metric, test, target, stops):
    stop = reason(rounds(metric=metric, test=test), RULES.model_copy(update={"target": target}))
    assert (stop is not None) == stops
    if stop:
        assert stop.rule == "target"
        assert ("upper" if metric == "log_loss" else "lower") in stop.why
        assert "500 test images" in stop.why


@pytest.mark.parametrize(
    ("metric", "span", "stops"),
    [
        ("accuracy", estimate(0.0, -0.004, 0.004), True),
        ("accuracy", estimate(0.0, -0.030, 0.030), False),  # nothing can be seen: no reason to stop
        ("accuracy", estimate(-0.05, -0.07, -0.03), True),
        ("log_loss", estimate(0.0, -0.004, 0.004), True),
        ("log_loss", estimate(-0.05, -0.07, -0.03), False),  # a gain
        ("log_loss", estimate(0.05, 0.03, 0.07), True),
    ],
)
def test_a_plateau_is_a_gain_that_is_surely_small_not_one_that_cannot_be_seen(metric, span, stops):
    stop = reason(rounds(metric=metric, span=span), RULES)
    assert (stop is not None) == stops
    if stop:
        assert stop.rule == "plateau"
        assert "the last 2 rounds together" in stop.why
        assert "on the same 500 test images" in stop.why


def test_a_plateau_needs_its_rounds_and_can_be_switched_off():
    flat = {"span": estimate(0.0, -0.001, 0.001)}
    assert reason(rounds(1, **flat), RULES) is None
    assert reason(rounds(2, **flat), RULES.model_copy(update={"plateau_gain": None})) is None
    assert reason(rounds(2, span=None), RULES) is None


def test_budget_and_rounds_are_counted_over_all_rounds():
    stop = reason(rounds(3), RULES.model_copy(update={"budget": 150}))
    assert (stop.rule, stop.why) == ("budget", "150 of 150 answers are spent")
    assert reason(rounds(3), RULES.model_copy(update={"budget": 151})) is None
    assert reason(rounds(3), Iterate(rounds=3)).rule == "rounds"


@pytest.mark.parametrize("high", [-0.01, 0.01])
def test_where_random_is_ahead_beyond_the_noise_there_is_no_point_in_choosing(high):
    evidence = {
        "strategy": "random",
        "why": "chosen ones teach less",
        "comparison": {"low": -0.05, "high": high},
    }
    stop = reason(rounds(control=control({"evidence": evidence})), RULES)
    assert (stop is not None) == (high < 0)
    if stop:
        assert (stop.rule, "chosen ones teach less" in stop.why) == ("random", True)
        off = RULES.model_copy(update={"random_wins": False})
        assert reason(rounds(control=control({"evidence": evidence})), off) is None


@pytest.mark.parametrize("evidence", [None, "margin", {}, {"why": "few labels", "comparison": None}])
def test_a_selection_that_says_nothing_of_a_control_arm_stops_nothing(evidence):
    assert control({"evidence": evidence}) == control({}) == {}
