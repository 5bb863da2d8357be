"""`dvc repro` with nothing to do, compared with a pipeline of empty commands."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import startup
from benchmarks.clock import in_turn, medians, run, timed
from benchmarks.figures import Figure
from benchmarks.pictures import write_folders
from benchmarks.project import empty_project, imagefolder, new_project
from benchmarks.startup import DEMO
from benchmarks.subjects import Measured, Setting

IMAGES = 60_000
STAGES = 8
REPRO = ["dvc", "repro"]


def measure(setting: Setting) -> Measured:
    empty = empty_project(setting.folder / "empty", STAGES)
    run(REPRO, empty)
    demo = [DEMO | {"options": {"images": setting.images(5000)}}]
    raw = setting.folder / "raw"
    images = write_folders(raw, setting.images(IMAGES), setting.idx)
    projects = {
        "the demo": new_project(setting.folder / "demo", demo),
        images: new_project(setting.folder / "folders", [imagefolder(raw)]),
    }
    first = {name: timed(project, *REPRO) for name, project in projects.items()}
    found = _no_op(projects, empty, setting.repeats(7))
    large = projects[images]
    return [*found, _status(large, setting.repeats(5)), *_assay_status(large, images, setting)], {
        "first run, seconds": first
    }


def _no_op(projects: dict[str, Path], empty: Path, repeats: int) -> list[Figure]:
    """Difference from an empty pipeline, in alternating runs."""
    folders = {"empty": empty, **projects}
    works = {name: partial(run, REPRO, folder) for name, folder in folders.items()}
    for work in works.values():
        work()  # fills DVC's cache of file states
    middle = medians(in_turn(works, repeats))
    return [
        Figure(
            f"no-op `dvc repro` of {name}, over that of {STAGES} empty stages",
            middle[name] - middle["empty"],
            "at most",
            1.0,
            "s",
            {"ours": middle[name], "empty": middle["empty"]},
        )
        for name in projects
    ]


def _status(project: Path, repeats: int) -> Figure:
    middle = medians(in_turn({"status": lambda: run(["dvc", "status"], project)}, repeats))
    return Figure("`dvc status` of the whole pipeline, nothing new", middle["status"], "at most", 1.2, "s")


def _assay_status(project: Path, images: str, setting: Setting) -> list[Figure]:
    """The figure of startup for a pipeline that has run."""
    startup.assert_light(project, "assay status")
    found = startup.figures(project, setting.repeats(7))
    return [_renamed(figure, images) for figure in found if "status" in figure.name]


def _renamed(figure: Figure, images: str) -> Figure:
    known: dict[str, Any] = {"value": figure.value, "bound": figure.bound, "target": figure.target}
    return Figure(f"{figure.name}, {images}", unit=figure.unit, parts=figure.parts, **known)
