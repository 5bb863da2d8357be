"""DVC's record of who reads and writes which paths, `.dvc/tmp/rwlock`: looked at, and mended where a kill tore it.

DVC hashes what a stage has read only after the stage has ended. What another command writes there in between would
pass for seen: so whoever writes without DVC waits until no DVC is at it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.data.files import is_alive

FILE = Path(".dvc", "tmp", "rwlock")


def at_work(root: Path, paths: Sequence[str]) -> str | None:
    """The DVC command that runs a stage which reads or writes one of `paths`; None if none does, or it runs us."""
    if _is_run_by_dvc(root):
        return None
    ours = [os.path.abspath(root / path) for path in paths]  # noqa: PTH100  # as DVC writes them: links not followed
    for path, who in _entries(root):
        if is_alive(who["pid"]) and any(_meet(path, mine) for mine in ours):
            return f"`{who['cmd']}` (process {who['pid']}; if there is none: rm {FILE})"
    return None


def mend(root: Path) -> bool:
    """Remove a record that holds nothing: empty, or torn by a kill while DVC wrote it. True if it was so.

    Only while no DVC writes it: that is what DVC's own lock on it says.
    """
    if not _is_torn(root):
        return False
    with unless_held((root / FILE).with_suffix(".lock")) as free:
        if torn := free and _is_torn(root):
            (root / FILE).unlink(missing_ok=True)
    return torn


@contextmanager
def unless_held(lock: Path) -> Iterator[bool]:
    """Hold one of DVC's own locks, if no DVC does; whether we have it."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _is_torn(root: Path) -> bool:
    try:
        return not isinstance(json.loads((root / FILE).read_bytes()), dict)
    except OSError:
        return False
    except ValueError:
        return True


def _entries(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths with who is at them: {pid, cmd}."""
    try:
        held = json.loads((root / FILE).read_bytes())
        yield from held.get("write", {}).items()
        for path, readers in held.get("read", {}).items():
            yield from ((path, reader) for reader in readers)
    except (OSError, ValueError, AttributeError):
        return


def _is_run_by_dvc(root: Path) -> bool:
    home = os.environ.get("DVC_ROOT")
    return home is not None and "DVC_STAGE" in os.environ and Path(home).resolve() == root.resolve()


def _meet(one: str, other: str) -> bool:
    a, b = Path(one), Path(other)
    return a == b or a in b.parents or b in a.parents
