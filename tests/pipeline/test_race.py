"""The race on a real project: DVC runs in worktrees, a kill in the middle, MLflow, the page, and the flow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from assay.commands import race
from assay.experiments.race import training_order
from assay.layout import Layout
from assay.params import load_params
from tests.pipeline.conftest import Workspace

pytestmark = pytest.mark.timeout(900)
DIVERGES = 1e6  # the most that params allow: weight decay alone overflows in some ten steps


@pytest.fixture(scope="module")
def project(done: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One where half of what the search may try ends in no number."""
    workspace = done.copy(tmp_path_factory.mktemp("race") / "project")
    lr = {"lr": [0.003, DIVERGES]}
    workspace.set({"race": {"steps": 1, "labels_per_step": 20, "seeds": 2, "space": lr}})
    workspace.commit("a race")
    return workspace


def finished(workspace: Workspace) -> int:
    return len(list((workspace.root / ".assay" / "cells").glob("*/cell.json")))


@pytest.fixture(scope="module")
def result(project: Workspace) -> dict:
    """What a race says that was killed in the middle and called again."""
    command = ["assay", "race", "--json"]
    process = subprocess.Popen(
        command, cwd=project.root, env=project.forking, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 600
    while finished(project) < 3 and time.monotonic() < deadline:  # the own run, another seed, and a step
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = finished(project)
    assert before >= 3
    told = json.loads(project.assay("race", "--html", "race.html", "--json").stdout)
    assert told["cells"]["run"] == finished(project) - before
    return told


def test_a_killed_race_carries_on_and_a_second_one_trains_nothing(project, result):
    assert result["cells"]["all"] == 6
    again = project.json("race")
    assert again["cells"]["run"] == 0
    for key in ("tracks", "difference", "final", "winner", "verdict"):
        assert again[key] == result[key]


def test_what_cannot_be_trained_is_a_failed_step(result):
    trials = [row for row in result["runs"] if row["track"] == "model"]
    assert sorted(row["about"]["lr"] for row in trials) == [0.003, DIVERGES]
    for row in trials:
        assert bool(row["failed"]) == (row["about"]["lr"] == DIVERGES)
        assert "training diverged" in row["failed"] or not row["failed"]
    assert result["cells"]["failed"] == 1


def test_numbers_are_those_of_the_trainings(project, result):
    baselines = [row for row in result["runs"] if row["track"] == "baseline"]
    assert baselines[0]["test"] == project.read("outputs/metrics.json")["test"]["accuracy"]["value"]
    assert not baselines[0]["trained"], "the project's own run is the baseline of its seed"
    data = [row for row in result["runs"] if row["track"] == "data"]
    assert all(row["about"]["labels"] == 20 for row in data)
    assert result["tracks"]["data"][1]["cost"]["labels"] == 20
    point = result["tracks"]["data"][0]
    assert point["value"] == pytest.approx(sum(row["test"] for row in baselines) / 2, abs=1e-5)
    assert point["low"] < point["value"] < point["high"]
    assert result["samples"]["test"] == len(project.read("data/snapshot/ruler.parquet"))
    assert (project.root / "race.html").read_text().startswith("<!doctype html>")


def test_mlflow_has_the_race_with_its_trainings(project, result):
    import sqlite3
    from contextlib import closing

    top = result["mlflow"]["run_id"]
    with closing(sqlite3.connect(project.root / "mlflow.db")) as store:
        query = "select count(*) from tags where key = 'mlflow.parentRunId' and value = ?"
        assert store.execute(query, (top,)).fetchone() == (6,)
        steps = "select step from metrics where run_uuid = ? and key = 'accuracy/data track' order by step"
        assert store.execute(steps, (top,)).fetchall() == [(0,), (1,)]
    files = {file.name for file in (project.root / "mlruns").rglob(f"{top}/artifacts/*")}
    assert {"race.html", "race.png", "race.json"} <= files


def test_choosing_by_the_test_set_is_refused(project):
    done = project.assay("race", "--choose-on", "test", status=2)
    assert "both tracks choose models on val and are reported on test" in done.stderr


def test_the_flow_finds_everything_done(project, result):
    done = project.run("python", "flows/race.py")
    assert "0 of them run now" in done.stdout.replace("\n", " ")
    assert result["verdict"].split(":")[0] in done.stdout


def test_edit_batches_that_exist_answer(done: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    workspace = done.copy(tmp_path / "project")
    workspace.assay("annotate")
    workspace.commit("people have labelled the queue")
    for key in ("DVC_SITE_CACHE_DIR", "DVC_NO_ANALYTICS"):
        monkeypatch.setenv(key, workspace.env[key])
    layout = Layout(workspace.root)
    work = race.prepare(load_params(layout.params), layout, "HEAD~1", answers="HEAD")
    about = work.setup.answers.about
    assert about == {row["id"] for row in workspace.read("data/selection/queue.parquet")}
    asked = training_order.seed_races(work.setup)[0].data_turn(1).about
    in_train = {
        row["id"] for row in workspace.read("data/selection/queue.parquet") if row["split"] == "train"
    }
    assert asked["labels"] == len(in_train) > 0, "val and test stay as they are"
    assert asked["unanswered"] == 0
