"""Repair of DVC's files after a kill or a full disk.

DVC writes dvc.lock and .dvc/tmp/rwlock in place. An empty one makes every later dvc command fail.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from assay.errors import RevisionError
from assay.lineage import rwlock
from assay.lineage.process import run_git
from assay.params.yamlfile import read_yaml

LOCK = "dvc.lock"
REPOSITORY = Path(".dvc", "tmp", "lock")
"""Lock of DVC while it writes dvc.lock."""
PAUSE = 0.05
"""Seconds to wait before a second look: a dvc.lock being written is empty for less."""
WHAT_TO_DO = "`git checkout dvc.lock`, then `dvc repro`: later results come from DVC's cache"


def mend(root: Path) -> list[str]:
    """Repair the files of DVC in a project; a line for each repair.

    An empty dvc.lock is restored from git; an empty or truncated rwlock is removed. Other files do not change.
    """
    said = []
    if rwlock.mend(root):
        said.append(f"{rwlock.FILE} was truncated by a kill: removed")
    if _is_empty(root / LOCK) and (root / REPOSITORY).parent.is_dir():
        with rwlock.unless_held(root / REPOSITORY) as free:  # else it is being written
            if free and _is_empty(root / LOCK):
                said.append(_restore(root))
    return said


def read_lock(root: Path, loader: Any = yaml.SafeLoader) -> dict[str, Any]:
    """dvc.lock, parsed; {} without one. RevisionError with a remedy if it is empty or not YAML."""
    file = root / LOCK
    if not file.exists():
        return {}
    if _is_empty(file):
        time.sleep(PAUSE)
    if _is_empty(file):
        raise RevisionError(
            f"{file} is empty: the disk was full, or dvc was killed, while it was written", hint=WHAT_TO_DO
        )
    try:
        return read_yaml(file, RevisionError, loader)
    except RevisionError as error:
        raise RevisionError(str(error), hint=WHAT_TO_DO) from None


def hint(lines: Sequence[str]) -> str | None:
    """The remedy if DVC's messages say that it cannot read dvc.lock; else None."""
    said = " ".join(lines)
    if LOCK in said and any(
        words in said for words in ("validation failed", "is invalid", "YAML file structure")
    ):
        return WHAT_TO_DO
    return None


def _is_empty(file: Path) -> bool:
    try:
        return not file.read_bytes().strip()
    except OSError:
        return False


def _restore(root: Path) -> str:
    """Restore dvc.lock from the last commit, or remove it if that has none or an empty one; a line that says so."""
    run_git(["checkout", "HEAD", "--", LOCK], root)
    if _is_empty(root / LOCK):
        (root / LOCK).unlink()
        return f"{LOCK} was empty, and git has none: removed"
    return f"{LOCK} was empty: restored from the last commit"
