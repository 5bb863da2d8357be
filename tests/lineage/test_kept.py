"""A command that ends with whoever started it, however that one ends."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from assay.lineage.kept import start_kept

STARTER = """
import os, sys, time
from assay.lineage.kept import start_kept
kept = start_kept(["sh", "-c", "echo $$; sleep 300"], dict(os.environ), sys.stdout.buffer)
time.sleep(300)
"""


def test_a_command_ends_when_its_starter_is_killed():
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    assert starter.stdout
    command = psutil.Process(int(starter.stdout.readline()))
    keeper = command.parent()
    starter.kill()
    _, alive = psutil.wait_procs([command, keeper], timeout=60)
    assert not alive
    starter.wait()
    starter.stdout.close()


def test_its_exit_code_is_the_command_s():
    kept = start_kept(["sh", "-c", "exit 3"], os.environ)
    assert kept.wait() == 3
