"""Time and memory: medians of several runs that alternate, so that a change of load affects all alike."""

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
"""No telemetry; git does not depend on the settings of the machine."""
STEERING = ("MLFLOW_", "PREFECT_", "ASSAY_", "PYTHONDONTWRITEBYTECODE")
"""Prefixes of variables that are removed: they would redirect results, or disable the cache of compiled modules."""


class Failed(RuntimeError):
    """A timed command failed."""


def seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def in_turn(
    works: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[Callable[[], object]], Any] = seconds,
) -> dict[str, list[Any]]:
    """Readings of the clock for each work, `repeats` of each: all works once, then all again, and so on."""
    taken: dict[str, list[Any]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(clock(work))
    return taken


def medians(taken: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: median(times) for name, times in taken.items()}


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> int:
    """Run a command; its peak resident memory in bytes. Failed, with its output, if it fails."""
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
    """Wall time of a command in seconds."""
    return seconds(lambda: run(command, cwd))


def environment() -> dict[str, str]:
    """The present environment without STEERING, with the assay and dvc of this Python first in the path."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(STEERING)}
    return kept | QUIET | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
