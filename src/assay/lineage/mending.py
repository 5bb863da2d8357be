"""What a kill or a full disk leaves of DVC's own files, and a project in which DVC works again.

DVC writes dvc.lock and .dvc/tmp/rwlock in place. One that is empty stops every later dvc until it is mended by hand.
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
"""Held by a DVC while it writes dvc.lock."""
PAUSE = 0.05
"""Seconds: a dvc.lock that is being written is empty for less."""
WHAT_TO_DO = "`git checkout dvc.lock`, then `dvc repro`: what was computed since comes from DVC's cache"


def mend(root: Path) -> list[str]:
    """Make DVC work again in a project; a line for each thing that was mended.

    Only what holds nothing any more is replaced: an empty dvc.lock by that of git, an empty or torn rwlock by none.
    """
    said = []
    if rwlock.mend(root):
        said.append(f"{rwlock.FILE} was torn by a kill: removed")
    if _is_empty(root / LOCK) and (root / REPOSITORY).parent.is_dir():
        with rwlock.unless_held(root / REPOSITORY) as free:  # else it is being written
            if free and _is_empty(root / LOCK):
                said.append(_restore(root))
    return said


def read_lock(root: Path, loader: Any = yaml.SafeLoader) -> dict[str, Any]:
    """dvc.lock, parsed; {} without one. RevisionError, with what to do, if it is empty or no YAML."""
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
    """What to do where DVC itself cannot read its dvc.lock; None if that is not what it says."""
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
    """The dvc.lock of the last commit; none if there is none that holds something."""
    run_git(["checkout", "HEAD", "--", LOCK], root)
    if _is_empty(root / LOCK):
        (root / LOCK).unlink()
        return f"{LOCK} was empty, and git has none: removed"
    return f"{LOCK} was empty: that of the last commit is back"
