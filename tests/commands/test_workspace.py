from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from assay.commands.workspace import READS_JUDGEMENTS, locks_of, writes, writing
from assay.errors import WorkspaceBusy
from assay.layout import Layout

ROOT = Path(__file__).parents[2]


def test_a_stage_that_reads_the_edits_keeps_them_as_they_are_while_it_runs():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert {
        name for name, stage in stages.items() if "data/edits" in stage.get("deps", [])
    } <= READS_JUDGEMENTS
    assert locks_of("curate") == ("pipeline", "judgements")
    assert locks_of("train") == ("pipeline",), "an hour's training keeps nobody from labelling"


@pytest.fixture
def dvc(tmp_path):
    """Another process that DVC's rwlock names: `dvc("read", "data/edits")`."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    file = tmp_path / ".dvc" / "tmp" / "rwlock"
    file.parent.mkdir(parents=True)

    def at(kind, path):
        who = {"pid": child.pid, "cmd": "dvc repro"}
        held = (
            {"read": {str(tmp_path / path): [who]}}
            if kind == "read"
            else {"write": {str(tmp_path / path): who}}
        )
        file.write_text(json.dumps(held))
        return child

    yield at
    child.kill()
    child.wait()
    child.stdin.close()


@pytest.mark.parametrize(
    ("kind", "path", "lock", "waits"),
    [
        ("read", "data/edits", "judgements", True),
        ("read", "data/edits", "pipeline", True),
        ("read", "data/pool", "judgements", False),
        ("write", "data", "judgements", True),
        ("write", "outputs/model", "pipeline", True),
        ("read", "src/assay/data", "pipeline", False),
    ],
)
def test_who_writes_by_hand_waits_for_a_dvc_that_reads_or_writes_it(
    tmp_path, dvc, monkeypatch, kind, path, lock, waits
):
    """DVC hashes what a stage has read after it has ended: a label given in between would pass for folded."""
    monkeypatch.setenv("ASSAY_WAIT", "0")
    child = dvc(kind, path)
    if waits:
        with (
            pytest.raises(WorkspaceBusy, match=f"`dvc repro` .process {child.pid}"),
            writing(Layout(tmp_path), lock),
        ):
            pass
    else:
        with writing(Layout(tmp_path), lock):
            pass
    child.kill()
    child.wait()
    with writing(Layout(tmp_path), lock):
        pass


def test_a_stage_that_dvc_itself_runs_does_not_wait_for_it(tmp_path, dvc, monkeypatch):
    monkeypatch.setenv("ASSAY_WAIT", "0")
    monkeypatch.setenv("DVC_STAGE", "curate")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    dvc("write", "data/snapshot")
    with writing(Layout(tmp_path), "pipeline"):
        pass


def test_functions_take_turns(tmp_path):
    inside, most = [], []

    @writes("judgements")
    def judge(name, layout):
        inside.append(name)
        most.append(len(inside))
        inside.remove(name)
        return name

    threads = [threading.Thread(target=judge, args=(n, Layout(tmp_path))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8
    assert judge("x", layout=Layout(tmp_path)) == "x"


def test_one_stage_twice_at_once_by_hand(project, draw):
    """Neither ends in a FileNotFoundError."""
    for n in range(40):
        project.add(f"p{n}", draw(n, 16), label="ab"[n % 2])
    project.ingest()
    root = project.layout.root
    source = {"name": "s", "format": "csv", "path": "raw/images.csv"}
    (root / "params.yaml").write_text(
        yaml.safe_dump({"ingest": {"sources": [source]}, "embed": {"options": {"size": 4}}})
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "assay", "embed"],
            cwd=root,
            env={**os.environ, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert sorted(out.split(" of 40")[0] for out, _ in said) == ["0", "40"]
