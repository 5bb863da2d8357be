"""The page of an attribution in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.reports.page import render

UNTOLD = {
    "value": 0.003,
    "low": -0.01,
    "high": 0.016,
    "p_value": 0.56,
    "verdict": "can't tell",
    "needs": {"told": "36 seeds and 587 test samples would suffice, if the effect is as large as estimated"},
}
SHARES = [{**UNTOLD, "player": "data"}, {**UNTOLD, "player": "model"}]
HELD = {
    "a": 0.42,
    "b": 0.43,
    "total": UNTOLD,
    "shares": SHARES,
    "interactions": [],
    "noise_floor": 0.015,
    "seed_noise": 0.006,
    "higher_is_better": True,
}
RESULT = {
    "a": {"label": "A", "about": "A (5a2ff18d)"},
    "b": {"label": "B", "about": "B (1eec0ad2)"},
    "players": ["data", "model"],
    "cells": {"corners": 4, "known": 2, "run": 6},
    "seeds": [0, 1],
    "samples": 72,
    "changes": {"data": 188},
    "primary": "ap",
    "metrics": {"ap": HELD},
    "classes": {},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("attribution") / "attribution.html"
    at.write_text(render("attribution.html.j2", result=RESULT, pictures={"ap": "data:,"}, sentence="AP +0.3"))
    return at


@pytest.mark.parametrize("width", [390, 1200])
def test_what_would_suffice_is_read_in_lines_not_in_single_words(browser, file, width):
    browser.emulate("light", width)
    browser.open(file)
    heights = browser.run("[...document.querySelectorAll('tr')].map(row => row.offsetHeight)")
    assert max(heights) < 80
    assert browser.run("document.documentElement.scrollWidth") <= width, "the table scrolls, not the page"
    assert browser.troubles == []
