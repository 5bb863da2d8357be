"""New projects with this repository's pipeline in another folder, with git and DVC; no stage has run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from benchmarks.clock import run

ROOT = Path(__file__).parents[1]
COPIED = ("dvc.yaml", ".dvcignore", ".gitignore", "src", "data/edits", "data/champion/champion.json")
PLAIN: dict[str, dict[str, Any]] = {
    "curate": {"near_duplicate": 1.0},
    "select": {"strategy": "random", "train_limit": 1000, "annotator": None},
    "train": {"model": "cnn", "options": {}, "image_size": 28, "color": "gray", "epochs": 1},
    "evaluate": {"bootstrap": 100, "slices": []},
}
"""Differences from the repository's params.yaml: the cheapest values with which every stage runs on any images.

Near-duplicates: only at a similarity of 1, as similar clothes and digits in two splits would stop the pipeline.
"""


def new_project(folder: Path, sources: list[dict[str, Any]], **sections: dict[str, Any]) -> Path:
    """The stages of this repository with other sources, committed; `sections` override PLAIN in params.yaml."""
    folder.mkdir(parents=True)
    for name in COPIED:
        _copy(ROOT / name, folder / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for change in ({"ingest": {"sources": sources}}, PLAIN, sections):
        for section, values in change.items():
            params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    _init(folder)
    return folder


def imagefolder(path: Path) -> dict[str, Any]:
    """A source of class folders."""
    return {"name": "raw", "format": "imagefolder", "path": str(path)}


def empty_project(folder: Path, stages: int) -> Path:
    """A pipeline of stages that do nothing, up to date."""
    folder.mkdir(parents=True)
    (folder / "input").write_text("nothing\n", encoding="utf-8")
    nothing = {f"stage{n}": {"cmd": "true", "deps": ["input"]} for n in range(stages)}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": nothing}), encoding="utf-8")
    _init(folder)
    return folder


def loose_project(folder: Path) -> Path:
    """A project with git and DVC only."""
    folder.mkdir(parents=True)
    _init(folder)
    return folder


def local_remote(project: Path, remote: Path) -> None:
    """A DVC remote in a folder, as the default."""
    run(["dvc", "remote", "add", "-d", "here", str(remote)], project)


def _init(folder: Path) -> None:
    run(["git", "init", "-q"], folder)
    run(["dvc", "init", "-q"], folder)
    run(["dvc", "config", "core.analytics", "false"], folder)
    run(["git", "add", "-A"], folder)
    run(["git", "commit", "-q", "-m", "a project to measure in"], folder)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    elif source.exists():
        shutil.copy2(source, target)
