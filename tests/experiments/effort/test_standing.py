"""Curves compared: crossings, what to draw, and intervals that hold what they should."""

from __future__ import annotations

import numpy as np

from assay.experiments.effort.fits import Measured
from assay.experiments.effort.standing import SchemeStanding, curves_of, verdict

HOURS = [1.0, 4.0, 16.0]
TEST_IMAGES = 60


def results(
    rng: np.random.Generator, levels: list[list[float]], noise: float, seeds: int = 3, draws: int = 400
):
    """By scheme, seed and budget: means over test images that are hard alike, of seeds that are lucky alike."""
    monkey = rng.integers(0, TEST_IMAGES, (draws, TEST_IMAGES))
    hard = rng.normal(0, noise, TEST_IMAGES)
    lucky = rng.normal(0, noise / 8, seeds)
    found = []
    for row in levels:
        scheme = []
        for luck in lucky:
            own = [
                level + luck + hard + rng.normal(0, noise / 4, TEST_IMAGES) + rng.normal(0, noise / 12)
                for level in row
            ]
            scheme.append([Measured(float(x.mean()), x[monkey].mean(1), np.zeros(0)) for x in own])
        found.append(scheme)
    return found


def compared(levels: list[list[float]], noise: float = 0.02) -> tuple[SchemeStanding, dict]:
    rng = np.random.default_rng(0)
    names = ["masks", "boxes/ellipse", "boxes/otsu"][: len(levels)]
    made = SchemeStanding(names, curves_of(results(rng, levels, noise), HOURS, 0), TEST_IMAGES)
    return made, verdict(made.best(), made.crossings(), made.rows(), "dice", {})


def test_what_to_draw_changes_where_the_curves_cross():
    made, said = compared([[0.5, 0.7, 0.9], [0.7, 0.75, 0.8]])
    assert said["draw"] == ["boxes", "boxes", "masks"]
    ((one),) = made.crossings()
    assert (one["before"], one["after"]) == ("boxes/ellipse", "masks")
    assert one["low"] < 4 * 4 ** (1 / 3) < one["high"]  # the difference goes from −.05 to +.10
    assert said["text"].startswith("From 1 to 4 h: draw boxes (learnt as boxes/ellipse), +5.")
    assert ". With 16 h: draw masks. " in said["text"]
    assert "masks overtakes boxes/ellipse at 6." in said["text"]


def test_rules_for_one_drawing_need_not_be_told_apart():
    _, said = compared([[0.5, 0.6, 0.7], [0.8, 0.8, 0.8], [0.8, 0.8, 0.8]])
    assert said["draw"] == ["boxes"] * 3
    assert "can't tell" not in said["text"]


def test_schemes_that_are_alike_cannot_be_told_apart():
    made, said = compared([[0.7, 0.8, 0.85], [0.7, 0.8, 0.85]])
    assert said["draw"] == [None] * 3
    assert said["text"].startswith("From 1 to 16 h: can't tell; ahead is ")
    assert {name for one in made.best() for name in one["alike"]} == {"masks", "boxes/ellipse"}


def test_what_is_worse_is_told_where_the_best_cannot_be():
    names = ["masks", "boxes", "points"]
    levels = [[0.5, 0.5, 0.5], [0.8, 0.8, 0.8], [0.8, 0.8, 0.8]]
    made = SchemeStanding(
        names, curves_of(results(np.random.default_rng(1), levels, 0.02), HOURS, 0), TEST_IMAGES
    )
    said = verdict(made.best(), made.crossings(), made.rows(), "dice", {"points": 4.0}, ["clump"])["text"]
    assert said.startswith("From 1 to 16 h: can't tell between boxes and points, but worse: masks; ahead is ")
    assert said.endswith("Nothing is said of clump: the full annotation hardly teaches them either.")


def test_a_crossing_that_may_not_be_has_open_ends():
    made, _ = compared([[0.699, 0.75, 0.801], [0.7, 0.75, 0.8]], noise=0.3)
    for one in made.crossings():
        assert (one["low"], one["high"]) == (None, None)


def test_the_interval_of_a_difference_holds_the_truth_about_as_often_as_it_says():
    held, trials = 0, 200
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        made = SchemeStanding(
            ["masks", "boxes"], curves_of(results(rng, [[0.7], [0.75]], 0.1), [1.0], 0), TEST_IMAGES
        )
        over = made.rows()[1]["curve"][0]["over_control"]
        held += over["low"] <= 0.05 <= over["high"]
    assert 0.92 <= held / trials <= 0.998
