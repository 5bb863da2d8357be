"""Rounds by themselves: undisturbed; killed at every kind of step and called again; and waiting for people."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.pipeline.conftest import Workspace
from tests.pipeline.forking import programs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

DYING = """\
import os, signal, sys
sys.executable = "{python}"
import {module} as module
real, calls = module.{name}, 0
def dying(*args, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.killpg(0, signal.SIGKILL)
    return real(*args, **options)
module.{name} = dying
from assay.commands.cli import main
main()
"""
"""An `assay` that kills itself at the n-th call of a function of its own."""


def die_in(module: str, name: str, call: int = 1) -> list[str]:
    return [
        sys.executable,
        "-c",
        DYING.format(python=programs() / "python", module=module, name=name, call=call),
    ]


def popen(workspace: Workspace, program: list[str], **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*program, "iterate", "demo"],
        cwd=workspace.root,
        env=workspace.env,
        text=True,
        start_new_session=True,
        **options,
    )


def kill_itself(workspace: Workspace, program: list[str]) -> None:
    done = popen(workspace, program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = done.communicate()
    assert done.returncode == -signal.SIGKILL, said


def kill_when_told(workspace: Workspace, stage: str, all_of_them: bool = True) -> None:
    """Kill the call, and the dvc and the stage below it, when it says that a stage runs; or the call alone."""
    process = popen(workspace, ["assay"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if line.strip() == f"· {stage}":
            below = psutil.Process(process.pid).children(recursive=True) if all_of_them else []
            for victim in (process, *below):
                with suppress(ProcessLookupError):  # a child may end by itself meanwhile
                    os.kill(victim.pid, signal.SIGKILL)
            break
    process.wait()
    process.stderr.close()
    assert process.returncode == -signal.SIGKILL, "".join(said)


def batches(workspace: Workspace, folder: str) -> list[str]:
    return sorted(file.name for file in (workspace.root / "data" / folder).glob("*.jsonl"))


KILLS: list[Callable[[Workspace], None]] = [
    lambda w: kill_itself(w, die_in("assay.commands.annotate", "hand_over")),  # in the ledger, nowhere else
    lambda w: kill_itself(w, die_in("assay.rounds.outcome", "open_of")),
    lambda w: kill_when_told(w, "train"),
    lambda w: kill_itself(w, die_in("assay.lineage.branches", "_commit")),
    lambda w: kill_itself(
        w, die_in("assay.commands.promote", "write_champion")
    ),  # the weights are there already
    lambda w: kill_when_told(w, "evaluate", all_of_them=False),
    lambda w: kill_when_told(w, "track"),
]
"""In the order in which two rounds get there."""


@pytest.fixture(scope="module")
def twins(done: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Workspace]:
    """A project after two rounds that nobody disturbed, and one after the same with all KILLS."""
    root = tmp_path_factory.mktemp("iterate")
    calm, killed = done.copy(root / "calm"), done.copy(root / "killed")
    for workspace in (calm, killed):
        workspace.set({"iterate": {"rounds": 2}})
        workspace.commit("two rounds")
    with (root / "calm.log").open("w") as log:
        undisturbed = popen(calm, ["assay"], stdout=log, stderr=log)
        try:
            for kill in KILLS:
                kill(killed)
            killed.assay("iterate", "demo")
        finally:
            undisturbed.wait()
    assert undisturbed.returncode == 0, (root / "calm.log").read_text()
    return calm, killed


def rounds(workspace: Workspace) -> list[dict]:
    return workspace.json("iterate")["rounds"]


def test_killed_at_every_kind_of_step_it_comes_to_the_same(twins):
    calm, killed = (rounds(workspace) for workspace in twins)
    assert [row["number"] for row in calm] == [0, 1, 2]
    for row, other in zip(calm, killed, strict=True):
        for key in (
            "test",
            "labelled",
            "snapshot",
            "selection",
            "fingerprint",
            "difference",
            "promoted",
            "answered",
        ):
            assert row.get(key) == other.get(key), key
    files = ("outputs/metrics.json", "outputs/predictions.parquet", "data/snapshot/snapshot.json",
             "data/selection/queue.parquet", "data/champion/model/model.pt")  # fmt: skip
    for file in files:
        assert len({(workspace.root / file).read_bytes() for workspace in twins}) == 1, file
    for workspace in twins:
        assert [len(batches(workspace, folder)) for folder in ("ledger", "edits")] == [2, 2]
        assert set(workspace.runs().values()) == {"FINISHED"}
        assert workspace.run("git", "status", "--porcelain").stdout == ""


def test_each_round_is_a_commit_that_says_what_it_came_to_and_holds_together(twins):
    calm, _ = twins
    log = calm.run("git", "log", "--format=%s", "main..").stdout.splitlines()
    assert [line.split(":")[0] for line in log] == [
        "iterate demo", "iterate demo, round 2", "iterate demo, round 1"
    ]  # fmt: skip
    assert log[0] == "iterate demo: stopped after 2 rounds: rounds"
    _, first, second = rounds(calm)
    champion = json.loads(calm.run("git", "show", f"{second['commit']}:data/champion/champion.json").stdout)
    assert champion["champion"]["fingerprint"] == first["fingerprint"], "the first chooses in the second"
    touched = calm.run("git", "show", "--name-only", "--format=", second["commit"]).stdout.split()
    assert {name.rpartition("/")[0] for name in touched} == {"", "data/edits", "data/ledger", "data/champion"}
    assert calm.json("status")["stages"][-1]["state"] == "fresh"
    assert calm.run("git", "rev-parse", "--abbrev-ref", "HEAD").stdout.strip() == "iterate/demo"


def test_called_again_it_does_nothing(twins):
    calm, _ = twins
    before = calm.run("git", "rev-parse", "HEAD").stdout
    again = calm.json("iterate")
    assert (again["new"], again["stopped"]["rule"], again["answers"]) == (0, "rounds", 40)
    assert calm.run("git", "rev-parse", "HEAD").stdout == before


def test_mlflow_has_the_rounds_below_a_parent_with_the_curve(twins):
    import sqlite3
    from contextlib import closing

    _, killed = twins
    with closing(sqlite3.connect(killed.root / "mlflow.db")) as store:
        kinds = "select value, run_uuid from tags where key = 'assay.kind'"
        found = store.execute(kinds).fetchall()
        assert sorted(kind for kind, _ in found) == ["iterate", "iterate round", "iterate round"]
        (top,) = [run for kind, run in found if kind == "iterate"]
        below = "select count(*) from tags where key = 'mlflow.parentRunId' and value = ?"
        assert store.execute(below, (top,)).fetchone() == (2,)
        points = "select step, value from metrics where run_uuid = ? and key = 'accuracy/curve' order by step"
        curve = store.execute(points, (top,)).fetchall()
    assert curve == [(row["number"], row["test"]["value"]) for row in rounds(killed)]
    files = {file.name for file in (killed.root / "mlruns").rglob(f"{top}/artifacts/*")}
    assert files == {"curve.png", "rounds.json"}


def test_a_round_that_people_answer_waits_for_them(twins):
    _, project = twins
    project.set({"select": {"annotator": "file"}, "iterate": {"rounds": 3}})
    said = project.assay("iterate", status=1).stderr
    assert "1 files are not committed: params.yaml" in said
    project.commit("people answer")
    waiting = json.loads(project.assay("iterate", "--json", status=4).stdout)
    assert (
        "round 3 waits: 0 of 20 images are answered; goes on with all. Answer in labelling/0003-file-"
        in waiting["next"]
    )
    (file,) = (project.root / "labelling").glob("*.csv")
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20
    for row in rows[1:]:
        row["label"] = "3"
    rows[1]["label"] = "no digit"
    fill_in(file, rows)
    waiting = json.loads(project.assay("iterate", "--json", status=4).stdout)
    assert (waiting["waiting"]["open"], waiting["answers"]) == (2, 40)
    (refused,) = waiting["waiting"]["refused"]
    assert "class 'no digit' was never seen" in refused["why"]
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "somebody commits in between")
    assert project.assay("iterate", status=4).stdout.count("no digit") == 1
    assert len(batches(project, "ledger")) == 3
    assert len(batches(project, "edits")) == 3


def fill_in(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
