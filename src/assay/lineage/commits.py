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
"""Commits that are listed."""


@dataclass(frozen=True)
class Commit:
    """One commit that only one side has, and which of the files asked for it touched."""

    id: str
    only_in: Literal["a", "b"]
    by: str
    at: str
    subject: str
    files: tuple[str, ...]


def commits_between(a: str, b: str, files: Sequence[str], root: Path) -> list[Commit]:
    """Commits that lead to `b` and not to `a`, or the other way about, and touch one of `files`: newest first.

    Paths are relative to `root`. At most MOST; [] if one of the commits is gone.
    """
    if a == b or not files:
        return []
    line = ["log", "--left-right", "--relative", "--name-only", f"--max-count={MOST}", f"--format={FORMAT}"]
    done = run_git(["-c", "core.quotepath=off", *line, f"{a}...{b}", "--", *files], root)
    return [_commit(record) for record in done.stdout.split("\x1e") if record.strip()]


def commit_about(commit: str, root: Path) -> str | None:
    """`2026-11-24: Round 2: 100 labels`; None if the commit is gone."""
    return run_git(["log", "-1", "--format=%as: %s", commit], root).stdout.strip() or None


def _commit(record: str) -> Commit:
    about, _, names = record.partition("\n")
    commit, mark, by, at, subject = about.split("\x1f")
    files = tuple(sorted(name for name in names.split("\n") if name))
    return Commit(commit, "a" if mark == "<" else "b", by, at, subject, files)


def patched(patch: str) -> list[str]:
    """The files that a patch of git changes, sorted."""
    return sorted(set(re.findall(r"^diff --git a/.+ b/(.+)$", patch, re.MULTILINE)))
