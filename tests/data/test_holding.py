from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from assay.data.holding import holding
from assay.errors import WorkspaceBusy

HOLD = """
import sys, time
from pathlib import Path
from assay.data.holding import holding
with holding(Path(sys.argv[1]), *sys.argv[2:]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """`other("pipeline")`: another process that holds it until its stdin is closed, or it is killed."""
    started = []

    def hold(*names):
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        assert child.stdout.readline() == "held\n"
        return child

    yield hold
    for child in started:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def test_the_second_is_refused_and_told_who_holds_it(tmp_path, other):
    child = other("pipeline")
    with pytest.raises(WorkspaceBusy) as error, holding(tmp_path, "pipeline", wait=0):
        pass
    assert re.search(rf"process {child.pid} on \S+, since \d{{4}}-", str(error.value))
    assert f"`-c {tmp_path} pipeline`" in str(error.value), "the command"
    with holding(tmp_path, "judgements", wait=0):
        pass


def test_the_second_waits_says_so_once_and_goes_on(tmp_path, other):
    child, told = other("pipeline"), []
    threading.Timer(0.3, child.stdin.close).start()
    with holding(tmp_path, "pipeline", say=told.append):
        assert child.wait() == 0
    assert len(told) == 1
    assert f"process {child.pid}" in told[0]


def test_a_lock_of_a_process_that_was_killed_is_free(tmp_path, other):
    child = other("pipeline")
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert (tmp_path / "locks" / "pipeline.json").exists(), "what it said of itself is still there"
    with holding(tmp_path, "pipeline", wait=0):
        assert json.loads((tmp_path / "locks" / "pipeline.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "locks" / "pipeline.json").exists()


def test_of_several_all_or_none_are_taken(tmp_path, other):
    child = other("judgements")
    with pytest.raises(WorkspaceBusy), holding(tmp_path, "pipeline", "judgements", wait=0):
        pass
    assert json.loads((tmp_path / "locks" / "judgements.json").read_text())["pid"] == child.pid
    other("pipeline")


def test_who_holds_it_already_goes_on_another_thread_does_not(tmp_path):
    refused = []

    def second():
        try:
            with holding(tmp_path, "pipeline", wait=0):
                pass
        except WorkspaceBusy as busy:
            refused.append(str(busy))

    with holding(tmp_path, "pipeline"), holding(tmp_path, "pipeline", wait=0):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(refused) == 1
    with holding(tmp_path, "pipeline", wait=0):
        pass


def test_patience_is_set_from_outside(tmp_path, other, monkeypatch):
    other("pipeline")
    monkeypatch.setenv("ASSAY_WAIT", "0.2")
    begun = time.monotonic()
    with pytest.raises(WorkspaceBusy), holding(tmp_path, "pipeline"):
        pass
    assert time.monotonic() - begun >= 0.2
