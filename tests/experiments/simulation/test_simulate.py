"""`assay simulate` on a small real project: what it says, that it repeats, what it refuses."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from rich.console import Console

from assay.commands import simulate
from assay.errors import GateError, MissingInput, ParamsError
from assay.experiments.simulation import standing
from assay.experiments.simulation.family import children, note, parent
from assay.reports.markdown import bold


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """How a family gets into MLflow is tested elsewhere: a store takes 15 s to begin."""
    monkeypatch.setattr("assay.tracking.families.write_family", lambda *_: None)


@pytest.fixture
def told(stage):
    stage.fill()
    return simulate.run(stage.params(), stage.layout, workers=1)


def test_every_strategy_is_told_beside_random(told):
    assert {row["name"] for row in told["strategies"]} == {"random", "margin", "kcenter"}
    areas = [row["auc"]["value"] for row in told["strategies"]]
    assert areas == sorted(areas, reverse=True)
    for row in [*told["strategies"], *told["test"]]:
        assert [point["budget"] for point in row["curve"]] == [6, 12, 24]
        assert row["auc"]["low"] <= row["auc"]["value"] <= row["auc"]["high"]
        assert (row["over_random"] is None) == (row["name"] == "random")
    assert told["samples"] == {"train": 90, "pool": 45, "val": 45, "test": 36}
    assert told["chosen_on"] == "val"
    assert told["verdict"]["text"]
    json.dumps(told, allow_nan=False)
    console = Console(record=True, width=200, file=io.StringIO())
    simulate.render(told, console)
    assert "the control" in console.export_text()


def test_a_second_call_computes_nothing_and_from_nothing_it_comes_out_the_same(told, stage):
    again = simulate.run(stage.params(), stage.layout, workers=1)
    assert (told["computed"], again["computed"]) == (18 + 24, 0)
    assert again | {"computed": 42} == told
    more = simulate.run(stage.params(), stage.layout, {"budgets": [6, 12, 24, 40]}, workers=1)
    assert more["again"]["name"] == told["again"]["name"]
    assert more["computed"] == 6 + 8, "the steps before are known"
    shutil.rmtree(stage.layout.scratch / "simulate")
    fresh = simulate.run(stage.params(), stage.layout, workers=1)
    for row, other in zip(fresh["strategies"], told["strategies"], strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}


def test_test_has_no_say(told, stage):
    """With other test images everything that decides is the same."""
    assert told["key"]
    stage.project.rows = [row for row in stage.project.rows if row["split"] != "test"]
    shutil.rmtree(stage.layout.root / "data")
    shutil.rmtree(stage.layout.scratch)
    stage.project.embed()
    from assay.progress import silent
    from assay.stages import curate

    curate.run(stage.params(), stage.layout, silent)
    blind = simulate.run(stage.params(), stage.layout, workers=1)
    assert blind["test"] is None
    assert [row["auc"] for row in blind["strategies"]] == [row["auc"] for row in told["strategies"]]
    assert blind["verdict"]["strategy"] == told["verdict"]["strategy"]


def test_the_page_holds_all_it_needs(told, stage, tmp_path):
    file = tmp_path / "which.html"
    simulate.run(stage.params(), stage.layout, page=file, workers=1)
    text = file.read_text()
    assert not any(link in text for link in ("http://", "https://", "<link", "@import"))
    assert "NaN" not in text.replace("isNaN", "")
    assert (file.parent / ".assay").exists()
    pictures = list((stage.layout.scratch / "simulate" / "told").glob("*/simulate.png"))
    assert pictures[0].read_bytes().startswith(b"\x89PNG")


def test_the_family_has_a_run_for_each_strategy(told):
    top, nodes = parent(told), children(told)
    assert {node.name for node in nodes} == {"random", "margin", "kcenter"}
    steps = {step for name, step, _ in top.curves if name == "accuracy/margin"}
    assert steps == {6, 12, 24}
    assert all(isinstance(value, float) for node in nodes for value in node.metrics.values())
    assert bold(told["verdict"]["text"]) in note(told)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"strategies": ["psychic"]}, r"simulate\.strategies.*'psychic'"),
        ({"seeds": 1}, r"simulate\.seeds: valid: from 2 to 1,000"),
        ({"budgets": [10, 46]}, "46 labels cannot be chosen among 45 images"),
        ({"budgets": [10, 5]}, "budgets must increase"),
        ({"to_accuracy": 90.0}, r"simulate\.to_accuracy"),
        ({"options": {"margin": {"radius": 1.0}}}, "strategy margin: radius: there is no such key"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(stage, changed, complaint):
    stage.fill()
    with pytest.raises(ParamsError, match=complaint):
        simulate.run(stage.params(), stage.layout, changed, workers=1)


@pytest.mark.parametrize(
    ("filled", "complaint"),
    [
        ({"train": 60}, "60 labelled train images: a replay hides and reveals them, which needs at least 80"),
        ({"val": 21}, "21 labelled val images: strategies are compared on val, which needs at least 30"),
        ({"classes": 1}, "of 1 classes: a simulation needs at least two classes"),
    ],
)
def test_too_few_labels_are_refused_with_what_to_do(stage, filled, complaint):
    stage.fill(**filled)
    with pytest.raises(GateError, match=complaint) as error:
        simulate.run(stage.params(), stage.layout, workers=1)
    assert "assay queue" in str(error.value.hint)


def test_what_is_not_there_is_named_with_the_stage_that_makes_it(stage):
    with pytest.raises(MissingInput) as error:
        simulate.run(stage.params(), stage.layout, workers=1)
    assert "curate" in str(error.value.hint)


def row(name: str, value: float, over: tuple[float, float, float] | None, sure: bool) -> dict:
    labels = {"value": 40.0, "low": 30.0, "high": 50.0, "least": 10, "most": 100}
    points = [
        {"budget": budget, "random_needs": None if over is None else {**labels, "value": 1.7 * budget,
         "low": 1.4 * budget, "high": high}}
        for budget, high in ((10, 20.0), (50, 95.0), (100, None))
    ]  # fmt: skip
    estimate = None if over is None else dict(zip(("value", "low", "high"), over, strict=True))
    return {"name": name, "auc": {"value": value}, "over_random": estimate, "sure": sure, "curve": points}


def test_the_verdict_says_what_is_saved_and_that_test_agrees(monkeypatch):
    monkeypatch.setattr(standing, "_alike", lambda field, best, row: row["name"] == "margin")
    rows = [
        row("badge", 0.8, (0.02, 0.01, 0.03), True),
        row("margin", 0.79, (0.01, -0.01, 0.03), False),
        row("random", 0.78, None, False),
    ]
    told = standing.judge(None, rows, [row("badge", 0.7, (0.015, 0.005, 0.025), True)])
    assert told["strategy"] == "badge"
    assert told["alike"] == ["margin"]
    assert told["text"] == (
        "badge: +2.0 [+1.0, +3.0] points of accuracy over random, on average from 10 to 100 labels; with 50 labels it "
        "equals random with 85 [70, 95] labels. On test, which was not used to choose: +1.5 [+0.5, +2.5]. Not "
        "significantly different: margin."
    )
    assert standing.judge(None, rows[1:], None)["text"].startswith(
        "Can't tell: no strategy is significantly better"
    )


def test_the_leader_is_judged_on_seeds_that_did_not_choose_it(told):
    again = told["again"]
    assert again["name"] == next(row["name"] for row in told["strategies"] if row["name"] != "random")
    assert len(again["curve"][0]["seeds"]) == 4
    assert "on 4 new seeds" in told["verdict"]["text"]
    assert told["verdict"]["strategy"] == (again["name"] if again["sure"] else None)


def test_what_other_seeds_say_decides_and_is_what_is_told(monkeypatch):
    monkeypatch.setattr(standing, "_alike", lambda *_: False)
    rows = [row("badge", 0.8, (0.049, 0.005, 0.095), False), row("random", 0.78, None, False)]
    for point in rows[0]["curve"]:
        point["seeds"] = [0.5] * 10
    sure = rows[0] | {"over_random": {"value": 0.04, "low": 0.02, "high": 0.06}, "sure": True}
    assert standing.judge(None, rows, None)["strategy"] is None
    found = standing.judge(None, rows, None, sure)
    assert found["strategy"] == "badge"
    assert found["text"].startswith(
        "badge: +4.0 [+2.0, +6.0] points of accuracy over random on 10 new seeds, on average from 10"
    )
    unsure = sure | {"over_random": {"value": 0.01, "low": -0.01, "high": 0.03}, "sure": False}
    lost = standing.judge(None, [rows[0] | {"sure": True}, rows[1]], None, unsure)
    assert lost["strategy"] is None
    assert "badge with +1.0 [−1.0, +3.0] points of accuracy on 10 new seeds" in lost["text"]


def test_labels_beyond_the_budgets_are_told_as_such():
    assert standing.needs({"value": None, "low": 900.0, "high": None, "least": 10, "most": 1000}) == (
        "> 1,000 [900, > 1,000]"
    )
    assert standing.needs({"value": 10.0, "low": 10.0, "high": 10.0, "least": 10, "most": 1000}) == "≤ 10"
