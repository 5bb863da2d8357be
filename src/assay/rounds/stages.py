"""Running the stages of a round: by DVC, which knows what there is to do."""

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
"""Seconds that another DVC in the workspace is waited for: the one of a killed call finishes its stage."""


class Runner(Protocol):
    """Who runs the steps of a round: the command line in this process, a flow as tasks of Prefect."""

    def stages(self, names: Sequence[str]) -> None:
        """Bring these stages, in their order, up to date. DvcError if one fails."""
        ...

    def act(self, name: str, call: Callable[[], T]) -> T:
        """Do what is no stage: annotate, promote, commit."""
        ...


class Plain:
    """One `dvc repro` up to the last stage; each stage that runs is told in a line."""

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
    """Call again while another DVC holds what is needed: that of a call that was killed ends its stage first."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except DvcError as error:
            if time.monotonic() > deadline or not any(BUSY in line for line in error.lines):
                raise
            progress.say("another dvc is at work here; waiting for it")
            time.sleep(2)
