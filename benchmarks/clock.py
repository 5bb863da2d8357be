"""Seconds and bytes of what is run: medians of several runs, taken in turn so that a slow minute hits all alike."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

BIN = Path(sys.executable).parent
QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    **{f"GIT_{role}_{what}": "benchmark" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
"""Nobody is told, and git needs no settings of the machine."""
STEERING = ("MLFLOW_", "PREFECT_", "ASSAY_", "PYTHONDONTWRITEBYTECODE")
"""Left out: what would send things elsewhere, or have our modules compiled anew each time."""


class Failed(RuntimeError):
    """A command that was to be timed went wrong."""


def seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def in_turn(
    works: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[Callable[[], object]], Any] = seconds,
) -> dict[str, list[Any]]:
    """What the clock says of each work, each run `repeats` times: all of them once, then all of them again."""
    taken: dict[str, list[Any]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(clock(work))
    return taken


def medians(taken: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: median(times) for name, times in taken.items()}


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> int:
    """Run a command to its good end; its peak resident memory in bytes. Failed with what it said, if it fails."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command, cwd=cwd, env=environment() | dict(env or {}), stdout=said, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            text = said.read().decode(errors="replace")[-4000:]
            raise Failed(f"{' '.join(command)} ended with {child.returncode}:\n{text}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def timed(cwd: Path, *command: str) -> float:
    """Seconds of a command."""
    return seconds(lambda: run(command, cwd))


def environment() -> dict[str, str]:
    """Our own, with the assay and dvc of this Python first in the path and without STEERING."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(STEERING)}
    return kept | QUIET | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
