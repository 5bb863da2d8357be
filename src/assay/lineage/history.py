"""Commits that recorded a result."""

from __future__ import annotations

from pathlib import Path

from assay.errors import RevisionError
from assay.lineage.process import run_git
from assay.lineage.revisions import resolve


def recordings(since: str, root: Path) -> list[str]:
    """Full ids of the commits after `since`, up to HEAD, that changed dvc.lock, oldest first.

    RevisionError if `since` is no revision.
    """
    start = resolve(since, root)
    done = run_git(["rev-list", "--reverse", "--topo-order", f"{start}..HEAD", "--", "dvc.lock"], root)
    if done.returncode:
        raise RevisionError(f"git cannot list the commits after {since}: {done.stderr.strip()}")
    return done.stdout.split()


def subject(commit: str, root: Path) -> str:
    """The first line of a commit message."""
    return run_git(["show", "--no-patch", "--format=%s", commit], root).stdout.strip()
