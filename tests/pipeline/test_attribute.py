"""Injected truth: what was changed is what gets the share, in real DVC runs. One history for all tests of this file.

A ── relabelled ── both          data: a third of the training labels made wrong; both: and another learning rate
 └── ruler                       only labels of the test set changed
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass

import pytest

from tests.pipeline.conftest import Workspace

pytestmark = pytest.mark.timeout(2400)
SEEDS = 2


def relabel(workspace: Workspace, rows: list[dict[str, str]], name: str) -> None:
    """Give each of some samples the next class."""
    with (workspace.root.parent / f"{name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label"])
        writer.writerows([row["id"], str((int(row["label"]) + 1) % 10)] for row in rows)
    workspace.assay("label", str(workspace.root.parent / f"{name}.csv"), "--by", "ada")


@pytest.fixture(scope="module")
def history(done: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = done.copy(tmp_path_factory.mktemp("attribute") / "project")
    workspace.run("git", "tag", "A")
    learnt = [row for row in workspace.read("data/selection/train.parquet") if row["split"] == "train"]
    workspace.run("git", "checkout", "-qb", "ruler")
    relabel(workspace, workspace.read("data/snapshot/ruler.parquet")[:20], "ruler")
    workspace.repro()
    workspace.commit("the test set is labelled otherwise")
    workspace.run("git", "checkout", "-q", "main")
    workspace.run("dvc", "checkout", "-q")
    relabel(workspace, learnt[: len(learnt) // 2], "wrong")
    workspace.repro()
    workspace.commit("labels go wrong")
    workspace.run("git", "tag", "relabelled")
    workspace.set({"train": {"lr": 0.004}})
    workspace.repro()
    workspace.commit("and a larger step")
    workspace.run("git", "tag", "both")
    return workspace


def attribute(workspace: Workspace, *args: str) -> dict:
    return json.loads(workspace.assay("attribute", *args, "--seeds", str(SEEDS), "--json").stdout)


def shares(result: dict, metric: str = "accuracy") -> dict[str, dict]:
    return {share["player"]: share for share in result["metrics"][metric]["shares"]}


def finished(workspace: Workspace) -> int:
    return len(list((workspace.root / ".assay" / "cells").glob("*/cell.json")))


@dataclass(frozen=True)
class CarriedOn:
    """An attribution of A → both that was killed after `before` cells, called again, and called a third time."""

    before: int
    result: dict
    again: dict
    page: str


@pytest.fixture(scope="module")
def carried_on(history: Workspace) -> CarriedOn:
    command = ["assay", "attribute", "A", "both", "--seeds", str(SEEDS), "--json"]
    process = subprocess.Popen(
        command, cwd=history.root, env=history.forking, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 180
    while finished(history) < 3 and time.monotonic() < deadline:  # A and B themselves, and the first corner
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before, page = finished(history), history.root.parent / "why.html"
    result = attribute(history, "A", "both")
    again = attribute(history, "A", "both", "--html", str(page))
    return CarriedOn(before, result, again, page.read_text())


def test_a_killed_attribution_carries_on_and_trains_exactly_what_is_missing(history, carried_on):
    before, result, again = carried_on.before, carried_on.result, carried_on.again
    assert before >= 3
    assert result["players"] == ["data", "model"]
    assert result["cells"] == {"corners": 4, "all": 4 * SEEDS, "known": before, "run": 4 * SEEDS - before}
    assert not list((history.root / ".assay" / "worktrees").iterdir())
    assert again["cells"]["run"] == 0
    assert again["metrics"] == result["metrics"]


def test_shares_of_data_and_model_add_up_and_are_what_was_injected(history, carried_on):
    result = carried_on.result
    found, total = shares(result), result["metrics"]["accuracy"]["total"]["value"]
    assert sum(share["value"] for share in found.values()) == total
    assert found["data"]["verdict"] == "hurt"
    # the separately measured effect: data alone changed, in the workspace itself, is the same run as that corner
    alone = attribute(history, "A", "relabelled")
    assert alone["cells"] == {"corners": 2, "all": 2 * SEEDS, "known": 2 * SEEDS, "run": 0}
    assert alone["players"] == ["data"]
    lone = alone["metrics"]["accuracy"]["total"]["value"]
    with_model = attribute(history, "relabelled", "both")["metrics"]["accuracy"]["total"]["value"]
    assert found["data"]["low"] <= lone <= found["data"]["high"]
    assert found["model"]["low"] <= with_model <= found["model"]["high"]


def test_a_ruler_that_changed_gets_everything(history):
    result = attribute(history, "A", "ruler")
    assert result["players"] == ["ruler"]
    held = result["metrics"]["accuracy"]
    assert shares(result)["ruler"]["value"] == held["total"]["value"] < 0


def test_a_model_change_without_effect_cannot_be_told(history):
    history.run("git", "checkout", "-qB", "null", "relabelled")
    history.set({"train": {"patience": 6}})  # four epochs: nobody's patience ends
    history.commit("patience")
    result = attribute(history, "relabelled", "workspace")
    history.run("git", "checkout", "-q", "main")
    model = shares(result)["model"]
    assert result["players"] == ["model"]
    assert (model["value"], model["verdict"]) == (0, "can't tell")
    assert result["inert"] == ["model"]


def test_data_divided_by_kind_and_by_batch(history, carried_on):
    kinds = attribute(history, "A", "relabelled", "--split-data")
    assert kinds["players"] == ["relabelled"]
    batches = attribute(history, "A", "relabelled", "--by", "batch")
    assert batches["players"] == ["0001-wrong-ada"]
    assert kinds["cells"]["run"] == batches["cells"]["run"] == 0


def test_parent_and_corners_are_in_mlflow_and_the_page_is_written(history, carried_on):
    runs = history.runs()
    assert runs[carried_on.again["mlflow"]["run_id"]] == "FINISHED"
    assert len(runs) >= 1 + carried_on.again["cells"]["all"]
    assert "hurt" in carried_on.page
    assert "http" not in carried_on.page.replace("http-equiv", "")


def test_the_same_run_twice_is_nothing_to_attribute(history):
    said = history.assay("attribute", "A", "A", status=1).stderr
    assert "nothing to attribute" in said


def test_a_name_that_is_nothing_is_said_so(history):
    said = history.assay("attribute", "nowhere", "A", status=2).stderr
    assert "neither a revision" in said
    assert "what to do" in said


def test_the_flow_runs_the_corners_as_tasks(history, carried_on):
    done = history.run("python", "flows/attribute.py", "A", "both", "--seeds", str(SEEDS))
    assert "data" in done.stdout
    assert "0 run" in done.stdout


def test_nothing_is_left_in_the_workspace(history):
    assert history.run("git", "status", "--porcelain").stdout == ""
    assert history.run("dvc", "diff", "--targets", "data/pool").stdout == ""
