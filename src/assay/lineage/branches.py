"""Git operations for branches that assay commits to: status, new branch, commit of some paths, messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.errors import RevisionError
from assay.layout import Layout
from assay.lineage.process import run_git
from assay.lineage.revisions import git_commit

MARK = "committing"
"""File in the scratch folder during a commit: after a kill, it shows that git's leftover lock is ours."""


BEGAN = "assay-began"


@dataclass(frozen=True)
class Message:
    """A commit and its full message."""

    commit: str
    text: str


def branch(root: Path) -> str | None:
    """The current branch; None for a detached HEAD."""
    return run_git(["symbolic-ref", "--quiet", "--short", "HEAD"], root).stdout.strip() or None


def branches(pattern: str, root: Path) -> list[str]:
    """The local branches that match a pattern, sorted."""
    done = run_git(["for-each-ref", "--format=%(refname:short)", f"refs/heads/{pattern}"], root)
    return sorted(done.stdout.split())


def uncommitted(root: Path) -> list[str]:
    """Files of a project that are changed, untracked or deleted; paths relative to `root`."""
    done = run_git(["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", "."], root)
    if done.returncode:
        raise RevisionError(f"git status failed: {done.stderr.strip()}")
    prefix = run_git(["rev-parse", "--show-prefix"], root).stdout.strip()
    return [entry[3:].removeprefix(prefix) for entry in done.stdout.split("\0") if entry]


def files_at(commit: str, folder: str, root: Path) -> set[str]:
    """Names of the files in a folder at a commit."""
    done = run_git(["ls-tree", "--name-only", f"{commit}:./{folder}"], root)
    return set(filter(None, done.stdout.split("\n"))) if done.returncode == 0 else set()


def check_author(root: Path) -> None:
    """RevisionError without a commit, or if git has no name and address for the author."""
    if git_commit(root) is None:
        raise RevisionError("there is no commit to start from", hint="`git init`, and commit first")
    if run_git(["var", "GIT_COMMITTER_IDENT"], root).returncode:
        raise RevisionError(
            "git has no author for commits", hint="git config user.name NAME; git config user.email ADDRESS"
        )


def start_branch(name: str, root: Path) -> None:
    """Create a branch at HEAD and switch to it; no file changes. Its start is kept in git's config (`began`)."""
    run_git(["config", f"branch.{name}.{BEGAN}", str(git_commit(root))], root)
    done = run_git(["switch", "--quiet", "--create", name], root)
    if done.returncode:
        above = name.rpartition("/")[0]
        raise RevisionError(
            f"branch {name} cannot be created: {done.stderr.strip()}",
            hint=f"a branch that is called {above} is in the way: git branch -m {above} OTHER"
            if branches(above, root) == [above]
            else None,
        )


def began(name: str, root: Path) -> str | None:
    """The commit at which `start_branch` created a branch; None if unknown, as in another clone."""
    return run_git(["config", "--get", f"branch.{name}.{BEGAN}"], root).stdout.strip() or None


def commit_paths(paths: Sequence[str], message: str, root: Path) -> str:
    """Commit some paths of a project and nothing else, also without changes; the id of the commit."""
    mark = Layout(root).scratch / MARK
    mark.parent.mkdir(parents=True, exist_ok=True)
    if mark.exists():  # an earlier call was killed here
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
    """Whether a path exists in the workspace or in git, so that it can be added."""
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
                hint="resolve it and call again: no result is lost",
            )


def messages(containing: str, root: Path) -> list[Message]:
    """Ancestors of HEAD (first parents), oldest first, whose message has a line that begins with `containing`."""
    line = ["log", "--first-parent", "--reverse", "--format=%x1e%H%x1f%B", f"--grep=^{containing}"]
    done = run_git(line, root)
    records = (record.split("\x1f", 1) for record in done.stdout.split("\x1e") if record.strip())
    return [Message(commit, text.strip()) for commit, text in records]
