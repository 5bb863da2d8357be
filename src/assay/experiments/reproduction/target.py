"""What to reproduce: a commit, or an MLflow run with its commit, recorded changes and dvc.lock."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from assay.errors import ReproductionError, RevisionError
from assay.experiments.reproduction.words import count
from assay.layout import Layout
from assay.lineage.revisions import resolve
from assay.params import Params
from assay.tracking.environment import NAME as ENVIRONMENT
from assay.tracking.recorded import Recorded, download, recorded

CUT = "\n# cut by assay at "
"""Marks a patch that was too long to be recorded completely."""
UNTRACKED = "untracked.txt"
NAMED = 5


@dataclass(frozen=True)
class Target:
    """`patch` and `lock` (None: as committed) are those of a run. `untracked`: files that were not recorded."""

    name: str
    kind: Literal["revision", "run"]
    commit: str
    patch: str = ""
    lock: str | None = None
    run_id: str | None = None
    run_name: str = ""
    untracked: tuple[str, ...] = ()
    environment: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """`HEAD (1a2b3c4d)`, `run cnn-0a1b2c3d (1a2b3c4d, with 12 lines of uncommitted changes)`."""
        short = self.commit[:8]
        if self.kind == "run":
            lines = sum(
                line.startswith(("+", "-")) and not line.startswith(("+++", "---"))
                for line in self.patch.split("\n")
            )
            changed = f", with {count(lines, 'line')} of uncommitted changes" if self.patch else ""
            return f"run {self.run_name} ({short}{changed})"
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


def find(name: str, params: Params, layout: Layout) -> Target:
    """The target by a git revision, or by the id of a run, a unique prefix of it, or its name.

    ReproductionError: it is neither; its commit is missing; its changes were not recorded completely. TrackingError:
    the tracking server does not answer.
    """
    root = layout.root.resolve()
    try:
        return Target(name, "revision", resolve(name, root))
    except RevisionError:
        run = recorded(name, params, layout)
    if run is None:
        raise ReproductionError(
            f"{name!r} is neither a revision of {root.name} nor a run of experiment {params.track.experiment!r}",
            hint="valid: a commit, a branch, a tag, HEAD~1 … (`git log --oneline`), or the id or name of a run "
            "(`make ui`). If it was a commit: after a rewritten history `git reflog` and `git fetch` may still have it",
        )
    return _of_run(name, run, params, layout)


def _of_run(name: str, run: Recorded, params: Params, layout: Layout) -> Target:
    root, named = layout.root.resolve(), f"run {run.name} ({run.run_id[:8]})"
    try:
        commit = resolve(run.commit, root)
    except RevisionError:
        raise ReproductionError(
            f"{named} was made at commit {run.commit[:10]}, which this repository does not have: history was "
            "rewritten, or it was made in another clone and never pushed",
            hint=f"`git fetch --all`, or `git fetch origin {run.commit[:10]}…` while the server still has it; "
            "`git reflog` where it was made",
        ) from None
    if CUT in run.patch:
        raise ReproductionError(
            f"{named} was made with uncommitted changes that were too large to be recorded: they cannot be applied",
            hint="the first part is in its artifact dirty.patch; commit before `dvc repro` to make runs reproducible",
        )
    with tempfile.TemporaryDirectory() as folder:
        files = download(run.run_id, (UNTRACKED, ENVIRONMENT), Path(folder), params, layout)
        names = files[UNTRACKED].read_text(encoding="utf-8").split("\n") if UNTRACKED in files else []
        environment = (
            json.loads(files[ENVIRONMENT].read_text(encoding="utf-8")) if ENVIRONMENT in files else None
        )
    kept = [line for line in run.patch.split("\n") if line.startswith("diff --git ")]
    kept.append(" b/dvc.lock")  # recorded as a separate artifact
    lost = tuple(file for file in names if file and not _among(file, kept)) if run.dirty else ()
    return Target(name, "run", commit, run.patch, run.lock, run.run_id, run.name, lost, environment)


def _among(file: str, kept: list[str]) -> bool:
    """Whether a header of the patch names this file; git quotes non-ASCII names."""
    quoted = "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in file.encode())
    return any(line.endswith((f"/{file}", f'/{quoted}"')) for line in kept)


def refuse_lost(target: Target, read: Iterable[str]) -> None:
    """ReproductionError if a stage reads a file that was not recorded. `read`: files and folders."""
    folders = {Path(path) for path in read}
    lost = [name for name in target.untracked if not folders.isdisjoint({Path(name), *Path(name).parents})]
    if lost:
        more = f" and {len(lost) - NAMED:,} more" if len(lost) > NAMED else ""
        raise ReproductionError(
            f"{target.label} read files that were neither in git nor recorded with it: "
            f"{', '.join(lost[:NAMED])}{more}",
            hint="put such files into git, or under DVC with `dvc add`, before `dvc repro`",
        )
