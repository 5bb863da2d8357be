"""DVC's record of the paths being read and written, `.dvc/tmp/rwlock`: queries, and repair after a kill.

DVC hashes the inputs of a stage only after the stage has ended. A change by another command in between would be
recorded as an input of the stage; commands that write without DVC therefore wait until no stage reads or writes there.
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
    """The DVC command whose stage reads or writes one of `paths`; None without one, or if it runs this process."""
    if _is_run_by_dvc(root):
        return None
    ours = [os.path.abspath(root / path) for path in paths]  # noqa: PTH100  # as DVC writes them: links not followed
    for path, who in _entries(root):
        if is_alive(who["pid"]) and any(_meet(path, mine) for mine in ours):
            return f"`{who['cmd']}` (process {who['pid']}; if there is none: rm {FILE})"
    return None


def mend(root: Path) -> bool:
    """Remove an empty or truncated record; whether there was one. Does nothing while DVC has the lock on it."""
    if not _is_torn(root):
        return False
    with unless_held((root / FILE).with_suffix(".lock")) as free:
        if torn := free and _is_torn(root):
            (root / FILE).unlink(missing_ok=True)
    return torn


@contextmanager
def unless_held(lock: Path) -> Iterator[bool]:
    """Context that takes one of DVC's locks if it is free; yields whether it was."""
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
    """(path, {pid, cmd} of the process that reads or writes it)."""
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
