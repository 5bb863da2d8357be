"""Recomputation of outputs of an earlier version that are in no cache or remote, in its worktree with its own code.

Outputs between ingest and train are functions of pool, edits, params and code, and take seconds to minutes; the
snapshot has the same bytes. Models are not trained again here, as that may take hours.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from assay.errors import NotKept
from assay.lineage import manifests, worktrees
from assay.lineage.mending import read_lock
from assay.lineage.revisions import DvcError, run_dvc, stages

DOOR = "ingest"
TRAINED = ("train", "evaluate", "track")
POOL = "data/pool"


def remake(project: Path, outputs: Sequence[str]) -> None:
    """Compute outputs of a worktree again; its dvc.lock does not change.

    NotKept if that needs a training, or if the pool is missing too; DvcError if a stage fails.
    """
    lock = project / "dvc.lock"
    recorded = lock.read_bytes()
    order, written = stages(project), _written(project)
    wanted = {stage for stage in order if set(outputs) & set(written.get(stage, {}))}
    if wanted & set(TRAINED):
        raise NotKept(f"{', '.join(outputs)}: made by a training")
    needed = order[: max(order.index(stage) for stage in wanted) + 1]
    try:
        _bring(project, written, needed)
        manifests.restore(project)
        run_dvc(
            ["repro", "--single-item", *[stage for stage in needed if stage != DOOR]],
            project,
            env=worktrees.environment_for(project),
        )
    finally:
        lock.write_bytes(recorded)


def _bring(project: Path, written: dict[str, dict[str, str]], needed: Sequence[str]) -> None:
    """Fetch what exists of the inputs and outputs of the stages. NotKept without the pool."""
    outs = [out for stage in needed for out in written.get(stage, {})]
    beside = [str(file.relative_to(project)) for file in (project / "data").rglob("*.dvc") if file.is_file()]
    for out in outs + beside:
        fetch(project, [out], ["checkout"])
    if (
        POOL in written.get(DOOR, {})
        and not (project / POOL).exists()
        and not fetch(project, [POOL], ["pull"])
    ):
        _take_in_again(project, written[DOOR][POOL])


def fetch(project: Path, outputs: Sequence[str], ways: Sequence[str] = ("checkout", "pull")) -> bool:
    """Fetch outputs from the cache, else a remote; whether all were. Empty folders that DVC leaves are removed."""
    for way in ways:
        try:
            run_dvc([way, "--quiet", *outputs], project)
            return True
        except DvcError:
            for path in (project / output for output in outputs if not output.endswith(".dvc")):
                shutil.rmtree(path, ignore_errors=True)
                path.unlink(missing_ok=True)
    return False


def _take_in_again(project: Path, recorded: str) -> None:
    """Ingest the pool again, if its sources still have the same content. NotKept if not."""
    with suppress(DvcError):
        run_dvc(["repro", "--single-item", DOOR], project, env=worktrees.environment_for(project))
        if _written(project)[DOOR][POOL] == recorded:
            return
    raise NotKept("its images are not here either, and their sources no longer have them")


def _written(project: Path) -> dict[str, dict[str, str]]:
    """{stage: {output: hash in dvc.lock}}."""
    return {
        name: {out["path"]: str(out.get("md5")) for out in stage.get("outs") or []}
        for name, stage in (read_lock(project).get("stages") or {}).items()
    }
