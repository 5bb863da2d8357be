"""A project of four shell commands, of which DVC's cache has lost everything."""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path

import pytest

import assay
from assay.errors import NotKept
from assay.experiments.sides import revision_side
from tests.project import Repository

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


@pytest.fixture
def lost(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Two commits with different edits. The raw images are in git, or, as marked, nowhere any more."""
    ignored = f"/.assay\n/data\n/outputs\n{getattr(request, 'param', '')}\n"
    made = Repository.begin(tmp_path, {"dvc.yaml": DVC_YAML, ".gitignore": ignored, "raw/x": "images\n"})
    for edit in ("one\n", "two\n"):
        made.write({"edits": edit})
        made.dvc("repro", "--quiet")
        made.commit(edit)
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
