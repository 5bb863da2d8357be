"""Locks of a workspace: a command holds them while it runs, so that there is one writer at a time.

    pipeline      writers of data/ or outputs/: every stage, `promote`
    judgements    writers of data/edits/ or data/ledger/: `label`, `annotate`, `resolve`, `audit --apply`; and the
                  stages that read them
    flow, rounds  one flow run, one `assay iterate`; their stages and actions take the locks above one by one

Labels can therefore be given during a training. Commands that only read, or write .assay/ only (status, diff, race,
attribute, simulate, advise), take no lock. A worktree is a workspace of its own.

The system releases a lock when its process ends, in whatever way. A note beside the lock names its holder, for the
message of a waiting command. Several locks are taken all or none, so that two commands never wait for each other.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from assay.data.files import is_alive
from assay.errors import WorkspaceBusy

Name = Literal["pipeline", "judgements", "flow", "rounds"]
FOLDER = "locks"
PAUSE = 0.1
"""Seconds between two attempts to take a lock."""
WAIT = "ASSAY_WAIT"
"""Environment variable: seconds that a command waits for a lock; 0 refuses at once. Not set: no limit."""


@contextmanager
def holding(
    scratch: Path,
    *names: Name,
    wait: float | None = None,
    say: Callable[[str], None] | None = None,
    in_the_way: Callable[[], str | None] = lambda: None,
    about: str = "",
    hint: str = "wait for it, or end it",
) -> Iterator[None]:
    """Hold locks of the workspace with the scratch folder `scratch`; locks already held by this thread are re-entered.

    Args:
        wait: Seconds; None: the value of ASSAY_WAIT, otherwise no limit.
        say: Called once with a message that names the holder, before waiting.
        in_the_way: Returns the name of another process to wait for, which holds none of the locks.
        about: Text about this process in the note of the lock.
        hint: Of the error.

    Raises:
        WorkspaceBusy: A lock, or `in_the_way`, was not free within `wait` seconds; names the holder.
    """
    home = scratch / FOLDER
    home.mkdir(parents=True, exist_ok=True)
    locks = [FileLock(home / f"{name}.lock", is_singleton=True) for name in names]
    if (other := _acquire(locks, _patience() if wait is None else wait, say, in_the_way)) is not None:
        raise WorkspaceBusy(f"{other} is running in this workspace", hint=hint)
    outermost = [lock for lock in locks if lock.lock_counter == 1]
    try:
        for lock in outermost:
            _sign(lock, about)
        yield
    finally:
        for lock in outermost:
            _note(lock).unlink(missing_ok=True)
        for lock in locks:
            lock.release()


def _acquire(
    locks: list[FileLock],
    wait: float,
    say: Callable[[str], None] | None,
    in_the_way: Callable[[], str | None],
) -> str | None:
    """Take all the locks within `wait` seconds; returns None, or the name of the holder that prevented it."""
    deadline, told = time.monotonic() + wait, False
    while (other := _take_all(locks) or _unless(in_the_way(), locks)) is not None:
        if time.monotonic() >= deadline:
            return other
        if say is not None and not told:
            say(f"waiting for {other} (Ctrl-C cancels; with {WAIT}=0 commands do not wait)")
            told = True
        time.sleep(PAUSE)
    return None


def _take_all(locks: list[FileLock]) -> str | None:
    """Take all locks or none; returns None, or the holder of the first lock that is taken."""
    for n, lock in enumerate(locks):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _release(locks[:n])
            return holder(lock)
    return None


def _unless(other: str | None, locks: list[FileLock]) -> str | None:
    if other is not None:
        _release(locks)
    return other


def _release(locks: list[FileLock]) -> None:
    for lock in locks:
        lock.release()


def _patience() -> float:
    try:
        return float(os.environ.get(WAIT, "inf"))
    except ValueError:
        return float("inf")


# --- the note that names the holder


def _note(lock: FileLock) -> Path:
    return Path(lock.lock_file).with_suffix(".json")


def _sign(lock: FileLock, about: str) -> None:
    """Write the note about this process. Errors, such as a full disk, are ignored: the lock works without it."""
    program = Path(sys.argv[0]).name.replace("__main__.py", "assay")
    us = {
        "pid": os.getpid(),
        "command": " ".join([program, *sys.argv[1:]]),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "about": about,
    }
    with suppress(OSError):
        _note(lock).write_text(json.dumps(us), encoding="utf-8")


def holder(lock: FileLock) -> str:
    """`assay ingest` (process 4242 on host, since …); `another process` if the note is missing or outdated."""
    try:
        who = json.loads(_note(lock).read_text(encoding="utf-8"))
        if who["host"] == socket.gethostname() and not is_alive(who["pid"]):
            return "another process"
        more = f"{who['about']}, " if who["about"] else ""
        return f"`{who['command']}` ({more}process {who['pid']} on {who['host']}, since {who['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
