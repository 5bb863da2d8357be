"""Whole races on a real project, their trainings simulated: worlds of which we know what helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
import yaml

from assay.commands import race as command
from assay.errors import AssayError, GateError, ParamsError
from assay.experiments.race import training_order
from assay.experiments.race.family import children, note, parent
from assay.experiments.race.picture import page
from assay.experiments.race.standing import race_standing
from assay.experiments.race.training_order import chosen, score
from assay.experiments.race.wording import sentence
from assay.lineage.revisions import DvcError
from assay.params.bounds import with_changes
from assay.reports.markdown import bold


def share_right(turn, truth) -> float:
    rows = turn.cell.train.filter(pc.equal(turn.cell.train["split"], "train")).to_pylist()
    return sum(truth[row["id"]] == row["label"] for row in rows) / len(rows)


@pytest.fixture
def worlds(truth):
    """How likely a training is right, by what helps in a world."""

    def luck(turn):
        return np.random.default_rng(int(turn.cell.key[:8], 16)).normal(0, 0.01)

    return {
        "data": lambda turn: 0.2 + 0.7 * share_right(turn, truth) + luck(turn),
        "model": lambda turn: 0.6 + 0.3 * (turn.cell.parsed.train.model == "probe") + luck(turn),
        "nothing": lambda turn: 0.7 + luck(turn),
    }


def run(race_setup, simulated, world, **changed):
    race_setup = replace(race_setup, race=with_changes(race_setup.race, "race", changed))
    races = training_order.run(race_setup, simulated(world))
    return races, race_standing(races, race_setup.metric, race_setup.data.categories)


def test_where_labels_help_the_data_wins(race_setup, simulated, worlds):
    _, told = run(race_setup, simulated, worlds["data"], steps=3, labels_per_step=40, seeds=4)
    assert told["winner"] == "data"
    assert told["final"]["difference"]["low"] > 0
    data = told["tracks"]["data"]
    assert [row["cost"]["labels"] for row in data] == [0, 40, 80, 120]
    assert [row["step"] for row in data] == [0, 1, 2, 3]
    assert told["tracks"]["model"][-1]["cost"] == {"labels": 0, "reviews": 0, "corrected": 0, "minutes": 0.3}
    assert "The data track won: after 3 steps accuracy is" in sentence(told)
    assert "with 120 labels (60 of them reviews)" in sentence(told)


def test_where_an_architecture_helps_the_model_wins(race_setup, simulated, worlds):
    space = {"model": ["probe"], "lr": {"low": 1e-4, "high": 1e-2, "log": True}}
    _, told = run(race_setup, simulated, worlds["model"], space=space)
    assert told["winner"] == "model"
    assert told["final"]["difference"]["high"] < 0
    assert sentence(told).startswith("The model track won")


def test_where_nothing_helps_it_cannot_tell_and_says_what_would(race_setup, simulated, worlds):
    _, told = run(race_setup, simulated, worlds["nothing"])
    assert told["winner"] is None
    assert told["final"]["difference"]["low"] < 0 < told["final"]["difference"]["high"]
    assert sentence(told).startswith("Can't tell: after 2 steps")
    assert "would suffice" in sentence(told) or "no difference that can be measured" in sentence(told)


def test_the_rules_are_the_same_for_both_tracks(race_setup, simulated, worlds):
    races, told = run(race_setup, simulated, worlds["nothing"])
    assert [seed_race.seed for seed_race in races] == [0, 1, 2]
    for seed_race in races:
        assert seed_race.done["data"][0] is seed_race.done["model"][0], "both begin with the same training"
        for track in training_order.TRACKS:
            history = seed_race.done[track]
            assert len(history) == 3
            for step in range(3):
                best = max(score(done, "accuracy") for done in history[: step + 1])
                assert score(chosen(history[: step + 1], "accuracy"), "accuracy") == best
            for done in history[1:]:
                cell, start = done.turn.cell, race_setup.baseline
                assert cell.ruler is start.ruler
                assert cell.params["seed"] == seed_race.seed
                same = cell.train.equals(start.train), cell.params["train"] == start.params["train"]
                assert same == ((False, True) if track == "data" else (True, False))
    keys = [row["key"] for row in told["runs"]]
    assert len(keys) == 3 * (1 + 2 * 2)


def test_of_equals_the_earlier_one_and_a_lower_loss_is_better(race_setup, simulated):
    races, _ = run(race_setup, simulated, lambda turn: 1.0)
    assert chosen(races[0].done["model"], "accuracy").turn.step == 0
    losses = [score(done, "log_loss") for done in races[0].done["model"]]
    assert score(chosen(races[0].done["model"], "log_loss"), "log_loss") == min(losses)


def test_a_race_is_the_same_twice(race_setup, simulated, worlds):
    assert run(race_setup, simulated, worlds["data"])[1] == run(race_setup, simulated, worlds["data"])[1]


def test_a_trial_that_cannot_be_trained_is_a_step_without_a_gain(race_setup, simulated, worlds):
    def execute(turns):
        done = simulated(worlds["nothing"])(turns)
        return [replace(d, result=None, failed="too small") if fails(d.turn) else d for d in done]

    def fails(turn):
        return turn.track == "model" and (turn.seed, turn.step) != (0, 1)

    races = training_order.run(race_setup, execute)
    told = race_standing(races, "accuracy", race_setup.data.categories)
    others = [row for row in told["runs"] if row["track"] == "model" and row["seed"]]
    assert [row["stands_by"] for row in others] == [0] * 4
    assert any("5 trials could not be trained" in line for line in command.notes(told, race_setup))
    assert sum("assay.failed" in node.tags for node in children(races)) == 5


def test_a_model_track_that_never_ran_has_not_lost(race_setup, simulated, worlds):
    def execute(turns):
        done = simulated(worlds["data"])(turns)
        return [replace(d, result=None, failed="no way") if d.turn.track == "model" else d for d in done]

    with pytest.raises(
        AssayError, match=r"none of the 3 trials of the model track could be trained.*\nno way"
    ):
        training_order.run(race_setup, execute)


def test_a_baseline_of_older_code_keeps_its_params_as_they_were_written(side, race_setup, params):
    older = command.as_written(side)
    assert older == yaml.safe_load(side.layout.params.read_text()) | {"seed": 0}
    cell = replace(race_setup.baseline, params=older)
    assert cell.key == race_setup.baseline.key, "what is not written is as it is by default"


def test_only_a_trial_may_fail(race_setup, monkeypatch, side):
    seed_race = training_order.seed_races(race_setup)[0]
    lines = ["ERROR: failed to reproduce 'train': 'assay train' exited with 2"]

    def refuse(*_):
        raise DvcError("too small for resnet18", lines)

    monkeypatch.setattr(command.cells, "run", refuse)
    model = seed_race.model_turn(1)
    assert command.train(model, side.layout).failed == "too small for resnet18"
    with pytest.raises(DvcError):
        command.train(seed_race.data_turn(1), side.layout)
    lines[0] = "the disk is full"
    with pytest.raises(DvcError):
        command.train(model, side.layout)


@pytest.mark.parametrize("split", ["test", "train", "Val"])
def test_the_test_set_never_chooses(split, params, side):
    with pytest.raises(ParamsError, match="both tracks choose models on val and are reported on test"):
        command.run(params, side.layout, choose_on=split)


def test_settings_of_the_command_line_are_checked(params):
    assert with_changes(params.race, "race", {"steps": None, "seeds": 5}).seeds == 5
    with pytest.raises(ParamsError, match=r"race\.seeds: valid: from 2 to 1,000 \(given: 1\)"):
        with_changes(params.race, "race", {"seeds": 1})


def test_without_val_or_test_there_is_no_race(start):
    nothing = start.train.filter(pc.equal(start.train["split"], "train"))
    with pytest.raises(GateError, match="no val image has a label"):
        command.check_measurable(replace(start, train=nothing))
    with pytest.raises(GateError, match="no test image has a label"):
        command.check_measurable(replace(start, ruler=start.ruler.slice(0, 0)))


@pytest.fixture
def summary(race_setup, simulated, worlds):
    races, told = run(race_setup, simulated, worlds["data"])
    cells = {"all": len(told["runs"]), "run": 3, "failed": 0}
    more = {
        "baseline": {"name": "HEAD", "label": "HEAD </script><b>", "commit": "1" * 40},
        "answers": "oracle",
        "race": race_setup.race.model_dump(mode="json"),
        "space": {"lr": {"low": 0.1, "high": 1.0, "log": True}, "model": ["cnn", 'cnn {"width": 64}']},
        "chosen_on": "val",
        "verdict": sentence(told),
        "cells": cells,
        "notes": ["mind the gap"],
        "seconds": {"label": 10.0, "review": 5.0},
    }
    return races, {**more, **told}


def test_the_page_holds_all_there_is_to_know(summary):
    text = page(summary[1])
    assert "<b>HEAD" not in text.replace("&lt;b&gt;", "")
    assert "HEAD &lt;/script&gt;&lt;b&gt;" in text
    assert "cnn width: 64" in text
    assert "mind the gap" in text
    assert text.count('<tr><td><span class="model-text">model</span>') == 6
    assert "http" not in text.replace("http-equiv", "")


def test_a_race_is_a_family_of_runs(summary):
    races, told = summary
    top, nodes = parent(told), children(races)
    curves = {(name, step) for name, step, _ in top.curves}
    assert {("accuracy/data track", 0), ("accuracy/model track.low", 2), ("cost/labels", 2)} <= curves
    assert top.tags["assay.winner"] == (told["winner"] or "can't tell")
    assert len({node.name for node in nodes}) == len(nodes) == 15
    assert {"asked.labels", "train.lr", "seed"} <= set(nodes[1].params)
    assert nodes[1].tags["assay.track"] == "data"
    lines = note(told).splitlines()
    assert lines[0] == bold(told["verdict"])
    assert sum(line.startswith("| ") for line in lines) == 1 + 1 + 3


def test_intervals_cover_what_is_true():
    """Seeds and samples both noisy, nothing different: at most a few of 100 races call a winner."""
    from assay.experiments.corner_metrics import CornerOutcome, measure, rulers
    from assay.experiments.corners import Design
    from assay.experiments.noise import trainings
    from assay.experiments.race.standing import ContrastColumns, MetricStanding, compared
    from assay.metrics.classification import Classified

    rng, places, wrong = np.random.default_rng(0), ContrastColumns(1), 0
    ids, n = [str(i) for i in range(200)], 200
    row = places.contrast((1, "data", 1), (-1, "model", 1))[None]
    plan = Design((), places.corners())
    for _ in range(100):
        hard = rng.random(n)
        outcomes = {}
        for corner in plan.corners:
            models = []
            for _seed in range(3):
                right = 0.6 * hard + 0.4 * rng.random(n) < rng.normal(0.7, 0.03)
                chances = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9]).astype(np.float32)
                models.append(CornerOutcome(ids, Classified(chances, np.zeros(n, np.int64))))
            outcomes[corner] = models
        one = next(iter(measure(plan, outcomes, rulers(plan, outcomes), (), 100, 0)))
        ahead = MetricStanding(one, compared(trainings(plan, outcomes, ""))).estimates(row)[0]
        wrong += not ahead["low"] <= 0 <= ahead["high"]
    assert wrong <= 7
