"""The commits between two versions of some files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assay.lineage.process import run_git

FORMAT = "%x1e%H%x1f%m%x1f%an%x1f%aI%x1f%s"
MOST = 200
"""Most commits listed."""


@dataclass(frozen=True)
class Commit:
    """A commit that only one side has, with the requested files that it changes."""

    id: str
    only_in: Literal["a", "b"]
    by: str
    at: str
    subject: str
    files: tuple[str, ...]


def commits_between(a: str, b: str, files: Sequence[str], root: Path) -> list[Commit]:
    """Commits that are ancestors of only one of `a` and `b` and change one of `files`, newest first; at most MOST.

    Paths are relative to `root`. [] if one of the commits does not exist any more.
    """
    if a == b or not files:
        return []
    line = ["log", "--left-right", "--relative", "--name-only", f"--max-count={MOST}", f"--format={FORMAT}"]
    done = run_git(["-c", "core.quotepath=off", *line, f"{a}...{b}", "--", *files], root)
    return [_commit(record) for record in done.stdout.split("\x1e") if record.strip()]


def commit_about(commit: str, root: Path) -> str | None:
    """E.g. `2026-11-24: Round 2: 100 labels`; None if the commit does not exist any more."""
    return run_git(["log", "-1", "--format=%as: %s", commit], root).stdout.strip() or None


def _commit(record: str) -> Commit:
    about, _, names = record.partition("\n")
    commit, mark, by, at, subject = about.split("\x1f")
    files = tuple(sorted(name for name in names.split("\n") if name))
    return Commit(commit, "a" if mark == "<" else "b", by, at, subject, files)


def patched(patch: str) -> list[str]:
    """The files that a patch of git changes, sorted."""
    return sorted(set(re.findall(r"^diff --git a/.+ b/(.+)$", patch, re.MULTILINE)))
