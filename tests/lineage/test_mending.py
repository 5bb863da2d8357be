"""Real DVC in real repositories: what kills and full disks leave of its files, and that it works again."""

from __future__ import annotations

import fcntl
import json
import shutil

import pytest

from assay.commands import status
from assay.errors import RevisionError
from assay.layout import Layout
from assay.lineage import mending, rwlock
from assay.lineage.revisions import DvcError, run_dvc
from assay.lineage.staleness import stage_states
from assay.params import parse_params
from tests.project import Repository

PARAMS = parse_params({"ingest": {"sources": [{"name": "s", "format": "csv", "path": "raw/images.csv"}]}})
PIPELINE = "stages:\n  a:\n    cmd: echo ran >> ran && echo 1 > out.txt\n    outs: [out.txt]\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    repository = Repository.begin(root, {".gitignore": "ran\nout.txt\n", "dvc.yaml": PIPELINE})
    repository.dvc("repro", "-q")
    repository.commit("one")
    return root


@pytest.fixture
def repo(made, tmp_path):
    return shutil.copytree(made, tmp_path / "repo")


@pytest.mark.parametrize("torn", ["", '{"read": {"/a/b": [{"pi'])
def test_a_torn_rwlock_stops_dvc_no_more(repo, torn):
    (repo / rwlock.FILE).write_text(torn)
    said = []
    run_dvc(["repro", "--force"], repo, said.append)
    assert said[0] == ".dvc/tmp/rwlock was truncated by a kill: removed"
    assert json.loads((repo / rwlock.FILE).read_text()) in (
        {},
        {"read": {}},
        {"write": {}},
        {"read": {}, "write": {}},
    )


def test_an_rwlock_that_is_sound_or_being_written_is_left_alone(repo):
    file = repo / rwlock.FILE
    file.write_text('{"read": {}}')
    assert not rwlock.mend(repo)
    file.write_text("")
    with file.with_suffix(".lock").open("a") as dvc:
        fcntl.flock(dvc, fcntl.LOCK_EX)
        assert not rwlock.mend(repo)
    assert file.exists()
    assert rwlock.mend(repo)
    assert not file.exists()


def test_an_empty_dvc_lock_is_told_by_status_and_mended_by_the_next_run(repo):
    """A full disk in the middle of `dvc repro`."""
    sound = (repo / "dvc.lock").read_text()
    (repo / "dvc.lock").write_text("")
    with pytest.raises(RevisionError, match="is empty: the disk was full") as error:
        stage_states(repo)
    assert "git checkout dvc.lock" in str(error.value.hint)
    said = []
    run_dvc(["repro"], repo, said.append)
    assert said[0] == "dvc.lock was empty: restored from the last commit"
    assert (repo / "dvc.lock").read_text() == sound
    assert (repo / "ran").read_text() == "ran\n", "not again"


def test_status_mends_and_says_so(repo):
    (repo / "dvc.lock").write_text("")
    (repo / rwlock.FILE).write_text("")
    found = status.run(PARAMS, Layout(repo))
    assert len(found["mended"]) == 2
    assert [stage["state"] for stage in found["stages"]] == ["fresh"]
    assert status.run(PARAMS, Layout(repo))["mended"] == []


def test_an_empty_dvc_lock_that_git_does_not_know_is_none(repo):
    Repository(repo).git("rm", "-q", "--cached", "dvc.lock")
    Repository(repo).git("commit", "-q", "-m", "two")
    (repo / "dvc.lock").write_text("\n")
    assert mending.mend(repo) == ["dvc.lock was empty, and git has none: removed"]
    run_dvc(["repro"], repo)
    assert (repo / "dvc.lock").read_text().startswith("schema:")


def test_a_dvc_lock_that_is_being_written_is_left_alone(repo):
    (repo / "dvc.lock").write_text("")
    with (repo / mending.REPOSITORY).open("a") as dvc:
        fcntl.flock(dvc, fcntl.LOCK_EX)
        assert mending.mend(repo) == []
    assert (repo / "dvc.lock").read_text() == ""


@pytest.mark.parametrize(
    "rest", ["schema: '2.0'\nstages:\n  a:\n    cmd: ec\n    outs:\n    - pa", "<<<<<<< HEAD\na: 1\n"]
)
def test_a_dvc_lock_that_was_cut_or_has_a_conflict_in_it_is_told_not_replaced(repo, rest):
    (repo / "dvc.lock").write_text(rest)
    with pytest.raises(DvcError) as error:
        run_dvc(["repro"], repo)
    assert "git checkout dvc.lock" in str(error.value.hint)
    assert (repo / "dvc.lock").read_text() == rest
