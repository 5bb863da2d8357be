from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.lineage.bits import same_bits


def stage(cmd: str, deps: dict[str, str], outs: dict[str, str]) -> dict[str, Any]:
    sides = {"deps": deps, "outs": outs}
    return {"cmd": cmd, **{k: [{"path": p, "md5": h} for p, h in v.items()] for k, v in sides.items()}}


def lock(snapshot: str = "1", model: str = "2", code: str = "c") -> str:
    stages = {
        "curate": stage("assay curate", {"src/curate.py": code}, {"data/snapshot": snapshot}),
        "train": stage("assay train", {"data/snapshot/ruler.parquet": snapshot}, {"outputs/model": model}),
    }
    # as DVC leaves it after a stage was put between others: the pipeline's order is dvc.yaml's
    return yaml.safe_dump({"schema": "2.0", "stages": dict(reversed(stages.items()))}, sort_keys=False)


DECLARED = """\
stages:
  curate: {cmd: assay curate, outs: [data/snapshot]}
  train: {cmd: assay train, deps: [data/snapshot/ruler.parquet], outs: [outputs/model]}
"""


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    (tmp_path / "dvc.lock").write_text(lock())
    (tmp_path / "dvc.yaml").write_text(DECLARED)
    who = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (lock(), "same bits as recorded"),
        (lock(model="9"), "this machine rounds differently in: train – commit dvc.lock to record its results"),
        (lock(snapshot="8", model="9"), "this machine rounds differently in: curate, train – commit dvc.lock"),
        (lock(model="9", code="d"), None),
        ("schema: '2.0'", None),
    ],
)  # fmt: skip
def test_what_went_in_alike_came_out_alike_or_the_stages_are_named(
    recorded: Path, now: str, said: str | None
) -> None:
    (recorded / "dvc.lock").write_text(now)
    found = same_bits(recorded)
    assert found == said or (said is not None and str(found).startswith(said))


def test_without_a_record_there_is_no_question(tmp_path: Path) -> None:
    assert same_bits(tmp_path) is None
