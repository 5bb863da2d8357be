"""The picture: bars stand on each other, verdicts differ without colour, the same numbers are the same bytes."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from assay.experiments.attribution import attribute
from assay.experiments.attribution.waterfall import LOOKS, waterfall


@pytest.fixture
def one(experiment):
    effects = {"data": 0.8, "model": -0.6, "code": 0.0}
    return attribute(tuple(effects), experiment(effects), replicates=100).metrics["accuracy"]


def test_bars_lead_from_a_to_b(one):
    ax = Figure().subplots()
    waterfall(one, ax)
    level = one.a
    for bar, share in zip(ax.patches, one.shares, strict=True):
        assert bar.get_y() == pytest.approx(level)
        assert bar.get_height() == pytest.approx(share.value)
        level += share.value
    assert level == pytest.approx(one.b)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["A", "data", "model", "code", "B"]
    low, high = ax.get_ylim()
    assert low < min(one.a, one.b) <= max(one.a, one.b) < high


def test_verdicts_are_told_apart_by_fill_and_hatch(one):
    ax = Figure().subplots()
    waterfall(one, ax)
    assert len({(look["facecolor"] == "white", look["hatch"]) for look in LOOKS.values()}) == 3
    assert [bar.get_hatch() or "" for bar in ax.patches] == [LOOKS[s.verdict]["hatch"] for s in one.shares]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {s.verdict for s in one.shares}


def test_the_same_numbers_are_the_same_bytes(one, tmp_path):
    for name in ("first.png", "second.png"):
        waterfall(one, tmp_path / name, title="why")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    waterfall(one, tmp_path / "drawn.svg")
    assert b"<svg" in (tmp_path / "drawn.svg").read_bytes()
