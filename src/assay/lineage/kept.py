"""Run a command that ends with whoever started it, however that one ends: `python -m assay.lineage.kept COMMAND …`.

The starter holds the other end of this process's standard input, which the kernel closes with the starter, also at
SIGKILL. Both run in a session of their own: a Ctrl-C that is meant for the starter does not reach them.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO

GRACE = 5.0
"""Seconds that the command has to end by itself."""


def start_kept(
    command: Sequence[str], env: Mapping[str, str], output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start it; its exit code is the command's. It ends with this process at the latest."""
    theirs, ours = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "assay.lineage.kept", *command],
        env=env,
        stdin=theirs,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
    )
    os.close(theirs)
    atexit.register(_end, process, ours)  # after all that was begun later and still talks to it
    return process


def _end(process: subprocess.Popen[bytes], ours: int) -> None:
    os.close(ours)
    process.wait()


def keep(command: Sequence[str]) -> int:
    """Run the command until it ends, or standard input does."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_starter() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(0, signal.SIGKILL)  # this process, and all that the command has left

    threading.Thread(target=end_with_starter, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
