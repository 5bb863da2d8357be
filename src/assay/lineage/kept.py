"""Run a command that ends when its parent ends, for whatever reason: `python -m assay.lineage.kept COMMAND …`.

The parent has the other end of this process's standard input; the kernel closes it with the parent, also at SIGKILL.
Command and wrapper run in their own session, so that Ctrl-C in the parent's terminal does not reach them.
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
"""Seconds between SIGTERM and SIGKILL."""


def start_kept(
    command: Sequence[str], env: Mapping[str, str], output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command that ends with this process at the latest. The exit code is that of the command."""
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
    atexit.register(_end, process, ours)  # atexit runs in reverse: after clients that were started later
    return process


def _end(process: subprocess.Popen[bytes], ours: int) -> None:
    os.close(ours)
    process.wait()


def keep(command: Sequence[str]) -> int:
    """Run the command until it ends or standard input is closed; its exit code."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_starter() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(0, signal.SIGKILL)  # this process and all children of the command

    threading.Thread(target=end_with_starter, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
