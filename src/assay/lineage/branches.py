"""Branches that assay itself writes to: what is uncommitted, a new branch, a commit of some paths, its messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import RevisionError
from assay.layout import Layout
from assay.lineage.process import run_git
from assay.lineage.revisions import git_commit

MARK = "committing"
"""In the scratch folder while a commit is made: a lock that git left behind is then known to be ours."""


BEGAN = "assay-began"


@dataclass(frozen=True)
class Message:
    """A commit and all that its message says."""

    commit: str
    text: str


def branch(root: Path) -> str | None:
    """The branch that is checked out; None for a detached HEAD."""
    return run_git(["symbolic-ref", "--quiet", "--short", "HEAD"], root).stdout.strip() or None


def branches(pattern: str, root: Path) -> list[str]:
    """The local branches of a pattern, sorted."""
    done = run_git(["for-each-ref", "--format=%(refname:short)", f"refs/heads/{pattern}"], root)
    return sorted(done.stdout.split())


def uncommitted(root: Path) -> list[str]:
    """The files of a project that git does not have as they are: changed, new or gone; paths relative to `root`."""
    done = run_git(["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", "."], root)
    if done.returncode:
        raise RevisionError(f"git cannot tell what is uncommitted: {done.stderr.strip()}")
    prefix = run_git(["rev-parse", "--show-prefix"], root).stdout.strip()
    return [entry[3:].removeprefix(prefix) for entry in done.stdout.split("\0") if entry]


def files_at(commit: str, folder: str, root: Path) -> set[str]:
    """The names of the files that lie in a folder at a commit."""
    done = run_git(["ls-tree", "--name-only", f"{commit}:./{folder}"], root)
    return set(filter(None, done.stdout.split("\n"))) if done.returncode == 0 else set()


def check_author(root: Path) -> None:
    """RevisionError if git would not know whose commit it is."""
    if git_commit(root) is None:
        raise RevisionError("there is no commit to start from", hint="`git init`, and commit first")
    if run_git(["var", "GIT_COMMITTER_IDENT"], root).returncode:
        raise RevisionError(
            "git does not know who commits", hint="git config user.name NAME; git config user.email ADDRESS"
        )


def start_branch(name: str, root: Path) -> None:
    """Make a branch of HEAD and switch to it; no file changes. Where it began is kept in git's config: see `began`."""
    run_git(["config", f"branch.{name}.{BEGAN}", str(git_commit(root))], root)
    done = run_git(["switch", "--quiet", "--create", name], root)
    if done.returncode:
        above = name.rpartition("/")[0]
        raise RevisionError(
            f"branch {name} cannot be made: {done.stderr.strip()}",
            hint=f"a branch that is called {above} is in the way: git branch -m {above} OTHER"
            if branches(above, root) == [above]
            else None,
        )


def began(name: str, root: Path) -> str | None:
    """The commit that `start_branch` made a branch of; None where that is not known, as in another clone."""
    return run_git(["config", "--get", f"branch.{name}.{BEGAN}"], root).stdout.strip() or None


def commit_paths(paths: Sequence[str], message: str, root: Path) -> str:
    """Commit some paths of a project as they are, and nothing else, also if nothing changed; the commit's id."""
    mark = Layout(root).scratch / MARK
    mark.parent.mkdir(parents=True, exist_ok=True)
    if mark.exists():  # we were killed in the middle of this
        (root / run_git(["rev-parse", "--git-path", "index.lock"], root).stdout.strip()).unlink(
            missing_ok=True
        )
    mark.touch()
    try:
        _commit([path for path in paths if _is_known(path, root)], message, root)
    finally:
        mark.unlink()
    return str(git_commit(root))


def _is_known(path: str, root: Path) -> bool:
    """Whether there is something to add, or something to remove."""
    return (root / path).exists() or bool(files_at("HEAD", path, root))


def _commit(paths: Sequence[str], message: str, root: Path) -> None:
    for command in (
        ["add", "--all", "--", *paths],
        ["commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "--message", message],
    ):
        done = run_git(command, root)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise RevisionError(
                f"git {command[0]} failed: {said[0] if said else 'it said nothing'}",
                hint="mend it and call again: nothing that was computed is lost",
            )


def messages(containing: str, root: Path) -> list[Message]:
    """The commits that lead to HEAD, first parents only, whose message has a line beginning with `containing`.

    Oldest first.
    """
    line = ["log", "--first-parent", "--reverse", "--format=%x1e%H%x1f%B", f"--grep=^{containing}"]
    done = run_git(line, root)
    records = (record.split("\x1f", 1) for record in done.stdout.split("\x1e") if record.strip())
    return [Message(commit, text.strip()) for commit, text in records]
