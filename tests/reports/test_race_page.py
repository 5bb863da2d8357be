"""The page of `assay race` in a browser: what its controls do to the chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay.experiments.race.picture import curves, page

SEEDS, STEPS = (0, 1), 2


def point(track: str, step: int) -> dict[str, Any]:
    value = 0.9 + (0.02 * step if track == "data" else -0.001 * step)
    labels = 50 * step if track == "data" else 0
    cost = {"labels": labels, "reviews": labels // 2, "corrected": labels // 4, "minutes": 1.5 * step}
    return {"step": step, **estimate(value), "gain": estimate(value - 0.9), "cost": cost}


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "p_value": 0.04}


def run(track: str, step: int, seed: int) -> dict[str, Any]:
    asked = {
        "labels": 50,
        "reviews": 25,
        "corrected": 12,
        "new": 25,
        "left_out": 1,
        "unanswered": 0,
        "unknown_class": 0,
    }
    failed = "training diverged </script>" if (track, step, seed) == ("model", 1, 1) else ""
    return {
        "track": track, "step": step, "seed": seed, "key": "0" * 64, "failed": failed, "seconds": 9.0, "trained": True,
        "about": asked if track == "data" else {"lr": 0.01, "model": 'cnn {"width": 64}'} if step else {},
        "val": None if failed else 0.9, "test": None if failed else 0.3 if track == "model" else 0.9 + step / 100,
        "stands_by": step if track == "data" else 0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    turns = [("baseline", 0), *((track, step) for track in ("data", "model") for step in (1, 2))]
    ahead = [{"step": step, **estimate(0.02 * step)} for step in (1, 2)]
    return {
        "baseline": {"name": "HEAD", "label": "HEAD (12345678)", "commit": "12345678" + "0" * 32},
        "verdict": "The data track won", "winner": "data", "metric": "accuracy", "higher_is_better": True,
        "samples": {"test": 400, "val": 300}, "seeds": list(SEEDS), "steps": STEPS, "answers": "oracle",
        "chosen_on": "val", "cells": {"all": 10, "run": 10, "failed": 1}, "notes": [], "needs": None,
        "race": {"labels_per_step": 50, "review_share": 0.5, "strategy": "margin"},
        "seconds": {"label": 60.0, "review": 0.0},
        "space": {"lr": {"low": 0.001, "high": 0.1, "log": True}, "model": ["cnn", "probe"]},
        "tracks": {track: [point(track, step) for step in range(3)] for track in ("data", "model")},
        "difference": ahead,
        "final": {"data": estimate(0.04), "model": estimate(0.0), "difference": ahead[1],
                  "of_each_metric": {"ece": ahead[1]}},
        "runs": [run(track, step, seed) for seed in SEEDS for track, step in turns],
    }  # fmt: skip


@pytest.fixture(scope="module")
def file(summary, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("race") / "race.html"
    path.write_text(page(summary), encoding="utf-8")
    return path


def written(browser) -> list[str]:
    """The texts in the chart: numbers, titles, names."""
    return browser.run("[...document.querySelectorAll('#chart text')].map(e => e.textContent)")


def test_the_chart_shows_what_is_asked_for(browser, file):
    browser.open(file)
    assert browser.run("document.querySelectorAll('#chart path.line').length") == 2
    assert browser.run("document.querySelectorAll('#chart path.seed').length") == len(SEEDS) * 2
    assert browser.run("document.querySelectorAll('#chart circle.tried').length") == 0
    narrow = written(browser)
    browser.click("#seeds")
    browser.click("#tried")
    assert browser.run("document.querySelectorAll('#chart path.seed').length") == 0
    tried = len(SEEDS) * 2 * STEPS - 1
    assert browser.run("document.querySelectorAll('#chart circle.tried').length") == tried, "one failed"
    assert "30" not in narrow
    assert "40" in written(browser), "the axis reaches down to poor trials"
    assert browser.troubles == []


def test_the_curves_can_be_read_across_every_cost(browser, file):
    browser.open(file)
    for axis, title in (
        ("labels", "labels asked"),
        ("minutes", "minutes of training"),
        ("work", "minutes of people"),
    ):
        browser.choose("#axis", axis)
        assert any(text.startswith(title) for text in written(browser))
        assert browser.run("!document.querySelector('#chart').innerHTML.includes('NaN')")
    assert browser.run("!document.querySelector('#pace').hidden")
    assert "150" not in written(browser)
    browser.choose("#label", "240")
    assert "200" in written(browser), "50 new labels of 4 minutes each"
    assert browser.troubles == []


def test_a_failed_trial_is_told_and_breaks_nothing(browser, file, summary, tmp_path):
    browser.open(file)
    assert browser.run("document.body.textContent.includes('training diverged </script>')")
    curves(summary, tmp_path / "race.png")
    assert (tmp_path / "race.png").read_bytes().startswith(b"\x89PNG")


def test_on_a_phone_the_chart_stays_large_enough_to_read_and_the_page_fits(browser, file):
    browser.emulate("dark", 360)
    try:
        browser.open(file)
        assert browser.run("document.documentElement.scrollWidth") <= 360
        assert browser.run("document.querySelector('#chart svg').getBoundingClientRect().width") > 600
    finally:
        browser.emulate("light", 1200)
