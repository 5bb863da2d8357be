"""Cores that a process may use, and how many trainings run at once on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Event

import pytest

from assay.experiments.cells import at_once
from assay.experiments.processes import usable_cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")


@pytest.fixture
def one_core() -> Iterator[None]:
    """This thread, and those that it starts, may use one core, as in a container or with `taskset`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_core")
def test_trainings_run_one_after_the_other_on_one_core_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    running: list[str] = []
    most = []

    def train(job: str, _stop: Event) -> None:
        running.append(job)
        Event().wait(0.01)  # time for another job to begin
        most.append(len(running))
        running.remove(job)

    at_once("abcd", train, threads=1)

    assert usable_cores() == 1
    assert most == [1, 1, 1, 1]
