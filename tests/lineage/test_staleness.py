"""Against DVC itself: what it records is what is read here."""

from __future__ import annotations

import shutil

import pytest

from assay.errors import RevisionError
from assay.lineage.revisions import dvc_add, run_dvc
from assay.lineage.staleness import content_md5, stage_states
from tests.project import Repository

PIPELINE = """\
stages:
  door:
    cmd: mkdir -p data/pool && cp raw.txt data/pool/x
    always_changed: true
    deps: [raw.txt]
    outs:
      - data/pool: {persist: true}
  fold:
    cmd: mkdir -p data/snapshot && cat data/pool/x data/edits/b.txt > data/snapshot/x && cp raw.txt data/snapshot/y
    deps: [data/pool, data/edits, code]
    params: [fold]
    outs: [data/snapshot]
  learn:
    cmd: cp data/snapshot/x model.txt
    deps: [data/snapshot/x, weights]
    params: [seed, learn.lr]
    outs: [model.txt]
"""


@pytest.fixture
def root(tmp_path):
    files = {
        "dvc.yaml": PIPELINE,
        "params.yaml": "seed: 0\nfold: {a: 1, b: [1, 2]}\nlearn: {lr: 0.1, other: 1}\n",
        "raw.txt": "pixels\n",
        "data/edits/0001-a.jsonl": "one\n",
        "data/edits/b/é.txt": "two\n",
        "data/edits/b.txt": "three\n",
        "code/x.py": "pass\n",
        "code/__pycache__/x.pyc": "compiled\n",
        "weights/w": "w\n",
        ".dvcignore": "# what Python leaves behind\n__pycache__\n*.tmp\n",
    }
    Repository.begin(tmp_path, files)
    dvc_add(tmp_path / "weights", tmp_path)
    return tmp_path


def states(root) -> dict[str, tuple[str, str]]:
    return {s.stage: (s.state, s.why) for s in stage_states(root)}


FRESH = {"door": "door", "fold": "fresh", "learn": "fresh"}


@pytest.fixture
def ran(root):
    assert {name: state for name, (state, _) in states(root).items()} == {
        "door": "door",
        "fold": "never ran",
        "learn": "never ran",
    }
    run_dvc(["repro", "-q"], root)
    assert {name: state for name, (state, _) in states(root).items()} == FRESH
    return root


def edit(root, name, old, new):
    (root / name).write_text((root / name).read_text().replace(old, new))


def test_what_changes_is_seen_and_what_follows_waits(ran):
    edit(ran, "params.yaml", "lr: 0.1", "lr: 0.2")
    assert states(ran)["fold"][0] == "fresh"
    assert states(ran)["learn"] == ("stale", "learn.lr: 0.1 → 0.2")
    edit(ran, "params.yaml", "lr: 0.2", "lr: 0.1")
    edit(ran, "params.yaml", "other: 1", "other: 2")
    assert states(ran)["learn"][0] == "fresh"
    edit(ran, "params.yaml", "b: [1, 2]", "b: [1, 3], c: null")
    assert states(ran)["fold"] == ("stale", "fold.b: [1, 2] → [1, 3]")
    edit(ran, "params.yaml", "[1, 3]", "[1, 2]")
    assert states(ran)["fold"] == ("stale", "fold.c is new among its params")
    edit(ran, "params.yaml", ", c: null", "")
    (ran / "data/edits/0002-b.jsonl").write_text("more\n")
    assert states(ran)["fold"] == ("stale", "data/edits changed")
    assert states(ran)["learn"] == ("after", "waits for fold")
    (ran / "data/edits/0002-b.jsonl").unlink()
    (ran / "code/__pycache__/y.pyc").write_text("compiled\n")
    assert states(ran)["fold"][0] == "fresh"
    edit(ran, "code/x.py", "pass", "return")
    assert states(ran)["fold"] == ("stale", "code changed")
    edit(ran, "code/x.py", "return", "pass")
    edit(ran, "dvc.yaml", "[seed, learn.lr]", "[seed, learn.lr, learn.other]")
    assert states(ran)["learn"] == ("stale", "learn.other is new among its params")
    edit(ran, "dvc.yaml", ", learn.other]", "]")
    edit(ran, "dvc.yaml", "cp data/snapshot/x model", "cp  data/snapshot/x model")
    assert states(ran)["learn"] == ("stale", "its cmd changed")
    edit(ran, "dvc.yaml", "cp  data", "cp data")
    edit(ran, "dvc.yaml", "weights]", "weights, raw.txt]")
    assert states(ran)["learn"] == ("stale", "raw.txt is new among its deps")
    edit(ran, "dvc.yaml", ", raw.txt]", "]")
    (ran / "model.txt").unlink()
    assert states(ran)["learn"] == ("stale", "model.txt is missing")


def test_a_small_number_is_the_same_in_the_lock(ran):
    """DVC writes 1e-07 there, which PyYAML would take for text."""
    edit(ran, "params.yaml", "lr: 0.1", "lr: 1.0e-07")
    run_dvc(["repro", "-q"], ran)
    assert "1e-07" in (ran / "dvc.lock").read_text()
    assert {name: state for name, (state, _) in states(ran).items()} == FRESH


def test_a_dvc_file_stands_for_the_folder_it_tracks(ran):
    (ran / "weights/w").unlink()
    (ran / "weights/w").write_text("v\n")
    dvc_add(ran / "weights", ran)
    assert states(ran)["learn"] == ("stale", "weights changed")


def test_a_file_inside_an_output_counts_by_its_own_content(ran):
    """A stage that ran again and wrote the same for the next one leaves it fresh."""
    edit(ran, "raw.txt", "pixels", "pixels")
    (ran / "raw.txt").write_text("pixels\n")
    edit(ran, "params.yaml", "a: 1", "a: 2")
    run_dvc(["repro", "-q", "fold"], ran)
    assert {name: state for name, (state, _) in states(ran).items()} == FRESH


def test_too_large_a_file_is_not_hashed(tmp_path, monkeypatch):
    monkeypatch.setattr("assay.lineage.staleness.HASHED", 3)
    (tmp_path / "x").write_text("1234")
    assert content_md5(tmp_path / "x") is None
    assert content_md5(tmp_path) is None


def test_no_pipeline_and_a_broken_one(tmp_path):
    assert stage_states(tmp_path) == []
    (tmp_path / "dvc.yaml").write_text("stages: [")
    with pytest.raises(RevisionError, match="not valid YAML"):
        stage_states(tmp_path)


def test_a_part_of_an_output_that_stays_in_the_cache_makes_nothing_stale(root):
    run_dvc(["repro", "-q"], root)
    shutil.rmtree(root / "data" / "snapshot")
    assert {s.stage: s.state for s in stage_states(root, outs=False)} == FRESH
