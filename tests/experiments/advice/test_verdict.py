from __future__ import annotations

import pytest

from assay.experiments.advice.recommendation import Gain, Option, judge, number


def option(kind, value, low, high, share=0.5, hours=1.0):
    return Option(kind, Gain(value, low, high, share), 100, "things", hours, "do it")


def verdict(*options, val=400, seeds=3):
    return judge(options, "accuracy", 1.0, val, seeds, 10.0)


def test_one_that_is_clearly_ahead_is_recommended():
    found = verdict(option("labels", 0.03, 0.02, 0.04), option("model", 0.01, -0.01, 0.03))
    assert found["kind"] == "recommend"
    assert found["option"] == "labels"
    assert (
        "Spend the next hour on more labels: +3.0 [+2.0, +4.0] points of accuracy for 100 things"
        in found["text"]
    )
    assert "next best, the model: +1.0 expected in the same time" in found["text"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([("labels", 0.03, -0.01, 0.07), ("model", 0.0, -0.01, 0.01)], "but the interval contains 0"),
        (
            [("labels", 0.03, 0.01, 0.05), ("review", 0.02, 0.0, 0.04)],
            "cleaner labels .* is not significantly behind",
        ),
        ([("labels", 0.0, 0.0, 0.01), ("model", -0.01, -0.02, 0.0)], "none of the options shows a gain"),
    ],
)
def test_otherwise_nobody_can_tell_and_is_told_why(options, said):
    found = verdict(*(option(*one) for one in options))
    assert found["kind"] == "can't tell"
    assert found["option"] is None
    import re

    assert re.search(said, found["text"])


def test_what_would_tell_follows_from_where_the_noise_comes_from():
    rival = option("model", 0.0, -0.01, 0.01)
    val = verdict(option("labels", 0.03, -0.005, 0.065, 1.0), rival)["tell"]
    assert "About 550 labelled val images instead of 400" in val
    assert "seeds" not in val
    seeds = verdict(option("review", 0.03, -0.005, 0.065, 0.0), rival)["tell"]
    assert seeds.startswith("About 4 seeds instead of 3")
    both = verdict(option("labels", 0.03, -0.03, 0.09, 0.4), rival)["tell"]
    assert "val images" in both
    assert "seeds" in both
    assert (
        "assay race" in verdict(option("model", 0.03, -0.03, 0.09), option("labels", 0.0, 0.0, 0.01))["tell"]
    )


def test_two_that_are_alike_are_not_worth_telling_apart():
    found = verdict(option("labels", 0.02, 0.0, 0.04), option("review", 0.0199, 0.0, 0.04))
    assert "take the easier one" in found["tell"]


def test_an_option_that_could_not_be_measured_stands_aside():
    found = verdict(
        option("labels", 0.03, 0.02, 0.04), Option("model", None, 0, "trials", 0.0, "", ["too dear"])
    )
    assert found["kind"] == "recommend"


def test_points_are_per_cent_and_a_log_loss_is_itself():
    assert number(-0.0123, "accuracy") == "−1.2"
    assert number(0.0123, "log_loss") == "+0.012"


def test_ten_minutes_are_held_against_ten_minutes_not_against_the_hour():
    quick, slow = option("review", 0.02, 0.012, 0.03, hours=0.2), option("labels", 0.04, 0.015, 0.06)
    found = verdict(quick, slow)
    assert found["option"] == "review"
    assert (
        "first on cleaner labels: +2.0 [+1.2, +3.0] points of accuracy for 100 things (12 min)"
        in found["text"]
    )
    assert "more labels: +0.8 expected in the same time" in found["text"]


def test_what_is_quick_but_uncertain_does_not_stand_in_the_way():
    quick, slow = option("model", 0.01, -0.05, 0.1, hours=0.1), option("labels", 0.08, 0.06, 0.1)
    assert verdict(quick, slow)["option"] == "labels"
