"""Subprocesses in their own process group: output line by line, and no process left when cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from assay.errors import RevisionError

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL of a cancelled command."""
WIDTH = "200"
"""Terminal width for commands: their lines go to a log and should not be wrapped."""


def environment() -> dict[str, str]:
    """The environment of a command: ours, with the folder of this Python (assay, dvc) first on PATH."""
    here = str(Path(sys.executable).parent)
    quiet = {"DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **quiet, "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)])}


def run_streaming(
    command: Sequence[str],
    cwd: Path,
    on_line: Callable[[str], None] | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, list[str]]:
    """Run a command. Returns (exit code, lines of stdout and stderr in order). `env` is added to ours.

    An exception (Ctrl-C, SIGTERM turned into one, an error in `on_line`) ends the whole process group: DVC ignores
    SIGINT while a stage runs, and the stage would go on.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**environment(), "COLUMNS": WIDTH, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for raw in process.stdout:
            if line := raw.rstrip():
                lines.append(line)
                if on_line:
                    on_line(line)
        return process.wait(), lines
    except BaseException:
        end_group(process)
        raise
    finally:
        if process.stdout:
            process.stdout.close()


def end_group(process: subprocess.Popen[str]) -> None:
    """SIGTERM to the process group, SIGKILL after GRACE seconds to what is left."""
    for sign, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and _alive(process):
            time.sleep(0.05)
        if not _alive(process):
            return


def _alive(process: subprocess.Popen[str]) -> bool:
    """Whether a process of the group is alive; reaps the leader if it has ended."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def run_git(args: Sequence[str], root: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `git …` in `root` with `extra` in its environment; the caller checks the return code."""
    try:
        return subprocess.run(
            ["git", *args],
            cwd=root,
            env={**environment(), **extra},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise RevisionError("git is not installed, or not on PATH") from None
