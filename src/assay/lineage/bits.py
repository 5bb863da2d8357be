"""Whether this machine computes the same bits as the last commit has recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from assay.lineage.mending import read_lock
from assay.lineage.process import run_git
from assay.lineage.revisions import stages

Lock = Mapping[str, Mapping[str, Any]]


def same_bits(root: Path) -> str | None:
    """One line: the same bits as recorded, or the stages with other outputs from the same code, params and edits.

    None if there is no record, or the inputs differ.
    """
    recorded = _stages(run_git(["show", "HEAD:./dvc.lock"], root).stdout)
    now = read_lock(root).get("stages") or {}
    if not recorded or _went_in(recorded) != _went_in(now):
        return None
    # in pipeline order; dvc.lock has new stages at its end
    other = [
        name for name in stages(root) if name in now and _came_out(recorded[name]) != _came_out(now[name])
    ]
    if not other:
        return "same bits as recorded"
    return f"this machine rounds differently in: {', '.join(other)} – commit dvc.lock to record its results"


def _stages(text: str) -> Lock:
    try:
        return (yaml.safe_load(text) or {}).get("stages") or {}
    except (yaml.YAMLError, AttributeError):
        return {}


def _went_in(lock: Lock) -> dict[str, Any]:
    """{stage: command, params, and hashes of the inputs that no stage wrote}."""
    written = [path for stage in lock.values() for path in _came_out(stage)]
    return {
        name: {
            "cmd": stage.get("cmd"),
            "params": stage.get("params"),
            "deps": {
                dep["path"]: dep.get("md5")
                for dep in stage.get("deps") or []
                if not any(dep["path"] == out or dep["path"].startswith(f"{out}/") for out in written)
            },
        }
        for name, stage in lock.items()
    }


def _came_out(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {out["path"]: out.get("md5") for out in stage.get("outs") or []}
