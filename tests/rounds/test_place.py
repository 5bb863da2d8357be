"""Branches and commits of the rounds, in real repositories."""

from __future__ import annotations

import pytest

from assay.errors import RevisionError, UsageError
from assay.layout import Layout
from assay.lineage import branches
from assay.rounds import place
from assay.rounds.record import LastRound, RoundRecord, history, round_message, stop_message
from tests.project import Repository

RECORD = RoundRecord(
    name="x", number=1, asked=20, answered={"label": 18, "exclude": 1}, open=1, used="margin, ruler",
    labelled={"test": 48, "train": 174, "val": 56}, snapshot="5" * 64, selection="7" * 64, metric="accuracy",
    test={"value": 0.9, "low": 0.85, "high": 0.94, "n": 48}, promoted="abc, promoted",
    difference={"value": 0.02, "low": -0.01, "high": 0.05, "n": 47, "p_value": 0.3},
)  # fmt: skip


@pytest.fixture
def layout(tmp_path, monkeypatch) -> Layout:
    """A project in a repository, with one commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    files = {".gitignore": ".assay/\n", "data/edits/.gitkeep": "", "dvc.lock": "one\n"}
    Repository.begin(tmp_path, files, dvc=False).commit("start")
    return Layout(tmp_path)


def test_rounds_have_a_branch_of_their_own_and_the_one_they_came_from_stays(layout):
    before = Repository(layout.root).git("rev-parse", "main")
    assert place.enter(None, layout) == "1"
    assert branches.branch(layout.root) == "iterate/1"
    assert branches.began("iterate/1", layout.root) == before.strip()
    assert place.enter(None, layout) == "1", "who is there stays"
    assert place.enter("other", layout) == "other"
    assert Repository(layout.root).git("rev-parse", "main") == before
    Repository(layout.root).git("switch", "-q", "main")
    assert place.enter(None, layout) == "2"
    Repository(layout.root).git("switch", "-q", "main")
    with pytest.raises(RevisionError, match="on branch iterate/other, and this is main") as caught:
        place.enter("other", layout)
    assert "git switch iterate/other && dvc checkout" in caught.value.hint
    with pytest.raises(UsageError, match="cannot be a name"):
        place.enter("a b", layout)


def test_a_branch_that_is_in_the_way_is_named(layout):
    Repository(layout.root).git("branch", "iterate")
    with pytest.raises(RevisionError, match="branch iterate/x cannot be created") as caught:
        place.enter("x", layout)
    assert "git branch -m iterate OTHER" in caught.value.hint


def test_a_dirty_tree_is_refused_with_what_is_dirty_and_nothing_is_touched(layout):
    (layout.root / "notes.txt").write_text("mine")
    (layout.root / "dvc.lock").write_text("two\n")
    with pytest.raises(RevisionError, match=r"2 files are not committed: dvc\.lock, notes\.txt"):
        place.enter("x", layout)
    assert branches.branch(layout.root) == "main"


def test_taken_up_again_what_a_round_makes_may_be_uncommitted_and_nothing_else(layout):
    place.enter("x", layout)
    (layout.root / "dvc.lock").write_text("two\n")
    layout.ledger.mkdir()
    (layout.ledger / "0001-oracle-00000000.jsonl").write_text("{}\n")
    assert place.enter("x", layout) == "x"
    (layout.root / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(RevisionError, match=r"1 files are not committed: params\.yaml"):
        place.enter("x", layout)


def test_git_log_is_the_history(layout):
    place.enter("x", layout)
    (layout.root / "dvc.lock").write_text("two\n")
    (layout.root / "mine.txt").write_text("not a part of it")
    first = branches.commit_paths(place.OWNED, round_message(RECORD), layout.root)
    assert Repository(layout.root).git("show", "--name-only", "--format=", first).split() == ["dvc.lock"]
    log = Repository(layout.root).git("log", "-1", "--format=%B")
    assert log.splitlines()[0] == (
        "iterate x, round 1: accuracy 90.0 % [85.0, 94.0], +2.0 points [−1.0, +5.0]"
    )
    for words in (
        "18 labels, 1 left out, 1 still open",
        "train 174",
        "paired    with the start on 47 images",
    ):
        assert words in log
    Repository(layout.root).git("commit", "-q", "--allow-empty", "-m", "something else")
    other = RECORD.model_copy(update={"name": "y"})
    branches.commit_paths(place.OWNED, round_message(other), layout.root)
    second = RECORD.model_copy(update={"number": 2, "test": None, "difference": None})
    branches.commit_paths(place.OWNED, round_message(second), layout.root)
    assert "nothing to measure yet" in Repository(layout.root).git("log", "-1", "--format=%s")

    done, stopped = history("x", layout.root)
    assert [record for _, record in done] == [RECORD, second]
    assert done[0][0] == first
    assert stopped is None
    end = LastRound(
        name="x", rounds=2, rule="rounds", why="2 rounds were asked for", promoted="abc, promoted"
    )
    branches.commit_paths(place.OWNED, stop_message(end), layout.root)
    assert history("x", layout.root)[1] == end
    branches.commit_paths(place.OWNED, round_message(second), layout.root)
    assert history("x", layout.root)[1] is None, "more rounds were wanted"


def test_a_lock_that_a_killed_commit_left_is_removed_and_another_one_is_not(layout):
    place.enter("x", layout)
    lock = layout.root / ".git" / "index.lock"
    lock.touch()
    with pytest.raises(RevisionError, match="git add failed") as caught:
        branches.commit_paths(place.OWNED, "a round", layout.root)
    assert "no result is lost" in caught.value.hint
    assert lock.exists()
    (layout.scratch / branches.MARK).touch()  # as a call leaves it that is killed in the middle
    assert branches.commit_paths(place.OWNED, "a round", layout.root)
    assert not lock.exists()


def test_without_a_name_to_commit_by_nothing_begins(layout, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("EMAIL", "")
    Repository(layout.root).git("config", "--unset", "user.name")
    Repository(layout.root).git("config", "--unset", "user.email")
    Repository(layout.root).git("config", "user.useConfigOnly", "true")
    with pytest.raises(RevisionError, match="no author for commits"):
        place.enter("x", layout)
    assert branches.branch(layout.root) == "main"
