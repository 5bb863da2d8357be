"""Runs the stages of a round by DVC."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from assay.lineage.revisions import DvcError, run_dvc
from assay.progress import Progress, silent

T = TypeVar("T")
RUNNING = re.compile(r"^Running stage '(\w+)'")
BUSY = "is busy"
PATIENCE = 3600.0
"""Seconds to wait for another DVC process in the workspace: that of a killed call finishes its stage."""


class Runner(Protocol):
    """Runs the steps of a round: in this process (command line), or as Prefect tasks (flow)."""

    def stages(self, names: Sequence[str]) -> None:
        """Run these stages in order, if they are not up to date. DvcError if one fails."""
        ...

    def act(self, name: str, call: Callable[[], T]) -> T:
        """Run a step that is no stage: annotate, promote, commit."""
        ...


class DvcRunner:
    """One `dvc repro` up to the last stage; prints a line for each stage that runs."""

    def __init__(self, root: Path, progress: Progress = silent) -> None:
        self.root, self.progress = root, progress

    def stages(self, names: Sequence[str]) -> None:
        def tell(line: str) -> None:
            if found := RUNNING.match(line):
                self.progress.say(found[1])

        patiently(lambda: run_dvc(["repro", names[-1]], self.root, tell), self.progress)

    def act(self, name: str, call: Callable[[], T]) -> T:
        self.progress.say(name)
        return call()


def patiently(call: Callable[[], T], progress: Progress = silent) -> T:
    """Repeat `call` while another DVC process holds the lock, for at most PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except DvcError as error:
            if time.monotonic() > deadline or not any(BUSY in line for line in error.lines):
                raise
            progress.say("waiting for another dvc process in this project")
            time.sleep(2)
