"""Ingest compared with its lower bounds, and a pool of shards in DVC with loose files in DVC."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.clock import environment, in_turn, medians, timed
from benchmarks.figures import Figure
from benchmarks.pictures import newcomer, write_folders
from benchmarks.project import ROOT, imagefolder, local_remote, loose_project, new_project
from benchmarks.subjects import Measured, Setting

IMAGES = 60_000


def measure(setting: Setting) -> Measured:
    raw = setting.folder / "floors" / "raw"
    images = write_folders(raw, setting.images(IMAGES), setting.idx)
    floors = _floors(raw.parent, setting.repeats(3))
    loose = _loose(setting.folder, raw)
    pool = _pool(setting.folder, raw, setting.repeats(3))
    return [_against_floors(floors), *_against_loose(pool, loose)], {"images": images}


def _floors(root: Path, repeats: int) -> dict[str, Any]:
    """Run benchmarks/floors.py in a separate process, which is pinned to one core from its first import on."""
    command = [sys.executable, "-m", "benchmarks.floors", str(root), str(repeats)]
    env = environment() | {"PYTHONPATH": str(ROOT)}
    result: dict[str, Any] = json.loads(subprocess.check_output(command, env=env, text=True))
    return result


def _against_floors(floors: dict[str, Any]) -> Figure:
    wall, cpu = (
        medians({name: [run[kind] for run in runs] for name, runs in floors["taken"].items()})
        for kind in (0, 1)
    )
    parts = {**wall, "ratio of CPU seconds": _ratio(cpu), "on one core": floors["pinned"]}
    return Figure("ingest / (read and hash + read and decode)", _ratio(wall), "at most", 2.0, "×", parts)


def _ratio(middle: dict[str, float]) -> float:
    return middle["ingest"] / (middle["read and hash"] + middle["read and decode"])


def _loose(folder: Path, raw: Path) -> dict[str, float]:
    """Seconds of DVC's steps for loose files; one run, as they take minutes."""
    project = loose_project(folder / "loose")
    raw = raw.rename(project / "raw")
    local_remote(project, folder / "loose-remote")
    taken = {
        "add": timed(project, "dvc", "add", "-q", "raw"),
        "push": timed(project, "dvc", "push", "-q", "raw"),
        "status": timed(project, "dvc", "status", "raw.dvc"),
    }
    new = raw / "0" / "new.jpg"
    new.write_bytes(newcomer(0))
    taken["one more"] = timed(project, "dvc", "add", "-q", "raw") + timed(project, "dvc", "push", "-q", "raw")
    new.unlink()
    raw.rename(folder / "floors" / "raw")
    return taken


def _pool(folder: Path, raw: Path, repeats: int) -> dict[str, float]:
    """Seconds of the same steps of our pipeline: the folder is ingested, cached and pushed."""
    taken: dict[str, list[float]] = {"add": [], "push": []}
    for turn in range(repeats):
        project = new_project(folder / f"pool{turn}", [imagefolder(raw)])
        local_remote(project, folder / f"pool-remote{turn}")
        taken["add"].append(timed(project, "dvc", "repro", "-s", "ingest"))
        os.sync()  # pending writes must not slow the next step
        taken["push"].append(timed(project, "dvc", "push", "-q", "ingest"))
    taken |= in_turn({"status": lambda: timed(project, "dvc", "status", "ingest")}, max(repeats, 1))
    taken["one more"] = [_one_more(project, raw, turn) for turn in range(repeats)]
    return medians(taken)


def _one_more(project: Path, raw: Path, turn: int) -> float:
    """Ingest, cache and push one new image; seconds."""
    (raw / "0" / f"new{turn}.jpg").write_bytes(newcomer(turn))
    return timed(project, "dvc", "repro", "-s", "ingest") + timed(project, "dvc", "push", "-q", "ingest")


def _against_loose(pool: dict[str, float], loose: dict[str, float]) -> list[Figure]:
    def parts(step: str) -> dict[str, float]:
        return {"pool": pool[step], "loose": loose[step]}

    return [
        Figure(
            "`dvc add` of loose files / ingest + cache",
            loose["add"] / pool["add"],
            "at least",
            5,
            "×",
            parts("add"),
        ),
        Figure("`dvc push`, loose / pool", loose["push"] / pool["push"], "at least", 30, "×", parts("push")),
        Figure("one more image: ingest, cache, push", pool["one more"], "at most", 4, "s", parts("one more")),
        Figure("`dvc status` of the pool, nothing new", pool["status"], "at most", 1.2, "s", parts("status")),
    ]
