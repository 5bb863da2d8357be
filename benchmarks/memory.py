"""Peak resident memory of each stage for a small and a large pool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from assay.commands.cli import STAGES
from benchmarks.clock import Failed, environment
from benchmarks.figures import Figure
from benchmarks.pictures import write_folders
from benchmarks.project import imagefolder, new_project
from benchmarks.subjects import Measured, Setting

SMALL, LARGE = 10_000, 60_000
GROWTH = 1.5
"""Largest ratio of memory for six times the images: tables of ids grow, memory for pixels is constant."""

LAUNCHER = """
import os, sys
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
"""A small parent process: until exec, the memory of the parent is counted as that of the child."""


def measure(setting: Setting) -> Measured:
    peaks = [_peaks(setting, count // 100 if setting.quick else count) for count in (SMALL, LARGE)]
    (small, few), (large, many) = peaks
    figures = [_growth(stage, small[stage], large[stage], many - few) for stage in STAGES]
    return figures, {"images": [few, many], "shard_images": 10_000}


def _peaks(setting: Setting, count: int) -> tuple[dict[str, int], int]:
    """Peak bytes of each stage, run separately on `count` images, all labelled, with one epoch."""
    raw = setting.folder / f"raw{count}"
    write_folders(raw, count, setting.idx)
    project = new_project(
        setting.folder / f"project{count}", [imagefolder(raw)], select={"train_limit": None}
    )
    return {stage: peak(project, "assay", stage) for stage in STAGES}, count


def peak(cwd: Path, *command: str) -> int:
    """Peak resident memory of a command, in bytes. Failed, with its output, if it fails."""
    launch = [sys.executable, "-S", "-c", LAUNCHER, *command]
    done = subprocess.run(launch, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return int(done.stdout.split()[-1])


def _growth(stage: str, small: int, large: int, images: int) -> Figure:
    parts = {
        "MB for the small pool": small / 1e6,
        "MB for the large pool": large / 1e6,
        "bytes for each image more": (large - small) / images,
    }
    return Figure(
        f"{stage}: peak memory, six times the images / once", large / small, "at most", GROWTH, "×", parts
    )
