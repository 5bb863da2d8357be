"""A project of four shell commands, of which DVC's cache has lost everything."""

from __future__ import annotations

import shutil
import subprocess
import traceback
from pathlib import Path

import pytest

import assay
from assay.errors import NotKept
from assay.experiments.sides import revision_side
from assay.lineage.revisions import run_dvc

DVC_YAML = """
stages:
  ingest:
    cmd: mkdir -p data/pool && cp raw/x data/pool/x
    always_changed: true
    outs: [data/pool: {persist: true}]
  curate:
    cmd: mkdir -p data/snapshot && cat data/pool/x edits > data/snapshot/x
    deps: [data/pool, edits]
    outs: [data/snapshot]
  train:
    cmd: mkdir -p outputs && wc -l data/snapshot/x > outputs/model
    deps: [data/snapshot]
    outs: [outputs/model]
"""


def git(root: Path, *args: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *args], cwd=root, check=True)


@pytest.fixture
def lost(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Two commits with different edits. The raw images are in git, or, as marked, nowhere any more."""
    git(tmp_path, "init", "-q")
    subprocess.run(["dvc", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / ".gitignore").write_text(f"/.assay\n/data\n/outputs\n{getattr(request, 'param', '')}\n")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x").write_text("images\n")
    for edit in ("one\n", "two\n"):
        (tmp_path / "edits").write_text(edit)
        run_dvc(["repro", "--quiet"], tmp_path)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", edit)
    shutil.rmtree(tmp_path / ".dvc" / "cache")
    return tmp_path


def test_what_is_nowhere_is_made_again_and_the_record_stays(lost: Path) -> None:
    side = revision_side("HEAD~1", lost)
    recorded = (side.root / "dvc.lock").read_text()
    assert (side.path("data/snapshot") / "x").read_text() == "images\none\n"
    assert (side.root / "dvc.lock").read_text() == recorded
    with pytest.raises(NotKept, match="made by a training") as caught:
        side.path("outputs/model")
    assert "dvc push" in str(caught.value.hint)


@pytest.mark.parametrize("lost", ["/raw"], indirect=True)
def test_where_the_images_are_gone_too_python_says_what_to_do(lost: Path) -> None:
    with pytest.raises(NotKept, match="its images are not here either") as caught:
        assay.snapshot("HEAD~1", lost)
    shown = "".join(traceback.format_exception_only(caught.value)).rstrip().splitlines()
    assert "`dvc push`" in shown[-1], "the last that Python shows is what to do"
