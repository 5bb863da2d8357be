"""Real git and DVC repositories: patches that apply, snapshots of the past, stages that end when told to."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from assay.errors import RevisionError
from assay.lineage import revisions
from assay.lineage.process import run_streaming
from assay.lineage.revisions import DvcError
from tests.project import Repository

PIPELINE = """\
stages:
  second:
    cmd: cp data/snapshot/x out.txt
    deps: [data/snapshot]
    outs: [out.txt]
  first:
    cmd: mkdir -p data/snapshot && cp a.txt data/snapshot/x
    deps: [a.txt]
    outs:
      - data/snapshot: {persist: true}
  fails:
    cmd: echo before; exit 3
    deps: [out.txt]
  sleeps:
    cmd: echo started; sleep 300
    deps: [out.txt]
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits, each with the snapshot of its own a.txt."""
    root = tmp_path_factory.mktemp("repo")
    made = Repository.begin(root, {"dvc.yaml": PIPELINE})
    for text in ("one\n", "two\n"):
        made.write({"a.txt": text})
        made.dvc("repro", "-q", "second")
        made.commit(text)
    return root


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A git repository with one file, without DVC."""
    Repository.begin(tmp_path, dvc=False).commit("one", {"run.py": "x = 1\n", "dvc.lock": "a: 1\n"})
    return tmp_path


def test_stages_come_after_what_they_read(repo: Path) -> None:
    assert revisions.stages(repo) == ["first", "second", "fails", "sleeps"]


def test_stages_in_a_circle_are_named(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  a: {cmd: x, deps: [p], outs: [q]}\n  b: {cmd: x, deps: [q], outs: [p]}\n"
    )
    with pytest.raises(RevisionError, match="cycle: a, b"):
        revisions.stages(tmp_path)


def test_outside_of_a_project_it_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(RevisionError, match=r"dvc\.yaml is not there"):
        revisions.stages(tmp_path)


def test_dvc_speaks_line_by_line(repo: Path) -> None:
    heard: list[str] = []
    lines = revisions.run_dvc(["repro", "-s", "first"], repo, heard.append)
    assert heard == lines
    assert any("didn't change, skipping" in line for line in lines)


def test_a_failed_stage_gives_its_exit_code_and_what_it_said(repo: Path) -> None:
    with pytest.raises(DvcError, match="fails") as caught:
        revisions.run_dvc(["repro", "-s", "fails"], repo)
    assert caught.value.status == 3
    assert "before" in caught.value.lines


def test_a_cancelled_dvc_takes_its_stage_along_and_leaves_no_lock(repo: Path) -> None:
    def cancel(line: str) -> None:
        if line == "started":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        revisions.run_dvc(["repro", "-s", "sleeps"], repo, cancel)
    assert not [p for p in psutil.process_iter(["cwd", "cmdline"]) if p.info["cwd"] == str(repo)]
    assert revisions.run_dvc(["repro", "-s", "second"], repo)


def test_a_command_deaf_to_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "trap '' TERM; echo on; while true; do sleep 1; done"
    monkeypatch.setattr("assay.lineage.process.GRACE", 0.2)

    def cancel(_line: str) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_streaming(["sh", "-c", deaf], tmp_path, cancel)
    assert not [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(tmp_path)]


def test_a_patch_rebuilds_the_workspace(code: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commit = revisions.git_commit(code)
    assert commit is not None
    assert not revisions.git_dirty_patch(code)
    (code / "run.py").write_text("x = 2\n")
    Repository(code).git("add", "run.py")
    (code / "run.py").write_text("x = 3\n")
    (code / "new").mkdir()
    (code / "new" / "more.py").write_text("y = 1\n")
    (code / "picture.png").write_bytes(b"\x89PNG")
    (code / "dvc.lock").write_text("a: 2\n")
    status = Repository(code).git("status", "--porcelain")

    patch = revisions.git_dirty_patch(code)

    assert patch.untracked == ("new/more.py", "picture.png")
    assert "dvc.lock" not in patch.text
    assert Repository(code).git("status", "--porcelain") == status, "the real index was touched"
    clone = tmp_path_factory.mktemp("clone")
    Repository(clone).git("clone", "-q", str(code), ".")
    (clone / "p").write_text(patch.text)
    Repository(clone).git("apply", "p")
    assert (clone / "run.py").read_text() == "x = 3\n"
    assert (clone / "new" / "more.py").read_text() == "y = 1\n"


def test_a_huge_patch_is_cut_and_says_so(code: Path) -> None:
    (code / "run.py").write_text("x = 1\n" * 1000)
    patch = revisions.git_dirty_patch(code, limit=500)
    assert patch.cut
    assert "cannot be applied" in patch.text
    assert len(patch.text) < 700


def test_without_git_there_is_no_commit_and_no_patch(tmp_path: Path) -> None:
    assert revisions.git_commit(tmp_path) is None
    assert not revisions.git_dirty_patch(tmp_path)


def test_the_snapshot_of_a_revision(repo: Path) -> None:
    then = revisions.checkout_dir("HEAD~1", "data/snapshot", repo)
    now = revisions.checkout_dir("main", "data/snapshot", repo)
    assert (then / "x").read_text() == "one\n"
    assert (now / "x").read_text() == "two\n"
    assert then.is_relative_to(repo / ".assay" / "revisions")
    assert revisions.checkout_dir("HEAD~1", "data/snapshot", repo) == then
    assert revisions.read_at("HEAD~1", "a.txt", repo) == "one\n"


def test_a_folder_added_by_hand_has_revisions_too(repo: Path) -> None:
    (repo / "champion").mkdir()
    (repo / "champion" / "w").write_text("weights")
    revisions.dvc_add(Path("champion"), repo)
    Repository(repo).git("add", "champion.dvc")
    Repository(repo).git("commit", "-q", "-m", "champion")
    assert (revisions.checkout_dir("HEAD", "champion", repo) / "w").read_text() == "weights"


@pytest.mark.parametrize("rev", ["nowhere", "--help", "HEAD~99"])
def test_an_unknown_revision_is_named(repo: Path, rev: str) -> None:
    with pytest.raises(RevisionError, match=rf"'{rev}' is not a revision") as caught:
        revisions.checkout_dir(rev, "data/snapshot", repo)
    assert "HEAD~1" in str(caught.value.hint)


def test_a_folder_that_no_stage_wrote_is_named(repo: Path) -> None:
    with pytest.raises(RevisionError, match="no stage had written data/nothing at HEAD"):
        revisions.checkout_dir("HEAD", "data/nothing", repo)
    with pytest.raises(RevisionError, match=r"none\.txt is not in git at HEAD"):
        revisions.read_at("HEAD", "none.txt", repo)


def test_content_that_is_in_no_cache_is_said_plainly(repo: Path, tmp_path: Path) -> None:
    Repository(tmp_path).git("clone", "-q", str(repo), "clone")
    with pytest.raises(RevisionError, match="neither the DVC cache nor a remote") as caught:
        revisions.checkout_dir("HEAD~1", "data/snapshot", tmp_path / "clone")
    assert "dvc push" in str(caught.value.hint)
    kept = list((tmp_path / "clone" / ".assay" / "revisions").iterdir())
    assert all(file.suffix == ".lock" for file in kept)
