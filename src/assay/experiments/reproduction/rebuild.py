"""Run the stages of a commit again, all after ingest, in a clean worktree, and compare outputs with their record.

DVC runs each stage separately, with --force, --no-run-cache (results are computed, not fetched) and --no-commit
(results that differ do not enter the cache, or the run-cache under the recorded inputs). The worktree is below .assay/
and removed afterwards; the workspace does not change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from assay.errors import ReproductionError, RevisionError
from assay.experiments.reproduction.records import Output, changed_inputs, outputs
from assay.experiments.reproduction.target import Target, refuse_lost
from assay.lineage import manifests, worktrees
from assay.lineage.mending import read_lock
from assay.lineage.revisions import DvcError, run_dvc, stages
from assay.lineage.staleness import Loader
from assay.params.yamlfile import read_yaml
from assay.plugins import of_project
from assay.progress import Progress

TOLD = ("track",)
"""Stages that report results only; not run again."""
MISSING = "Checkout failed for following targets"
"""Message of DVC for missing content; other messages, such as those of a remote, are passed on."""
REPRO = ("repro", "--single-item", "--force", "--no-run-cache", "--no-commit")
RUNNING = re.compile(r"Running stage '(\w[\w@.-]*)':")
FAILED = re.compile(r"failed to reproduce '([^']+)'")
SAID = 5
"""Last lines of a failing stage that are shown."""

Lock = Mapping[str, Any]
"""The `stages` of a dvc.lock."""


@dataclass(frozen=True)
class Rerun:
    """One stage that was run again: duration in seconds, outputs, and inputs that differ from the record."""

    stage: str
    seconds: float
    outputs: list[Output]
    changed_inputs: list[str]

    @property
    def differing(self) -> list[str]:
        return [output.path for output in self.outputs if not output.same]


@dataclass(frozen=True)
class Rebuilt:
    """A worktree in which all stages were run again. `recorded`: the original dvc.lock."""

    project: Path
    recorded: Lock
    stages: list[Rerun]
    left_out: list[str]
    """Stages after ingest without a record in dvc.lock; not run, as there is nothing to compare with."""


@contextmanager
def rebuilt(target: Target, root: Path, progress: Progress) -> Iterator[Rebuilt]:
    """Context with the worktree, which is removed at its end.

    ReproductionError: nothing was recorded; an input is in no cache or remote; a stage fails.
    """
    with _worktree(target, root) as project:
        recorded = locked(project)
        below = [name for name in stages(project) if name not in {*doors(project), *TOLD}]
        plan = [name for name in below if name in recorded]
        if not plan:
            raise ReproductionError(
                f"no result was recorded at {target.label}: its dvc.lock names no stage after ingest",
                hint="choose a commit whose dvc.lock was committed after `dvc repro`",
            )
        refuse_lost(target, [dep["path"] for name in plan for dep in recorded[name].get("deps") or []])
        bring(project, needed(project, recorded, plan), target)
        other = _restore_code(project, plan)
        done = _run(project, recorded, plan, target, progress, other)
        yield Rebuilt(project, recorded, done, [name for name in below if name not in recorded])


@contextmanager
def _worktree(target: Target, root: Path) -> Iterator[Path]:
    try:
        with worktrees.temporary(root, target.commit, target.patch, target.lock) as project:
            yield project
    except ReproductionError:
        raise
    except RevisionError as error:
        raise ReproductionError(f"{target.label}: {error}", hint=error.hint) from None


def locked(project: Path) -> dict[str, Any]:
    """The `stages` of dvc.lock; empty without one."""
    return read_lock(project, Loader).get("stages") or {}


def doors(project: Path) -> list[str]:
    """Stages that read sources outside the project (ingest); not run again, as the sources may have changed."""
    declared = _yaml(project / "dvc.yaml").get("stages") or {}
    return [name for name, stage in declared.items() if stage.get("always_changed")]


def needed(project: Path, recorded: Lock, plan: Sequence[str]) -> list[str]:
    """Inputs that the stages do not make: outputs of ingest, and files under DVC that a stage reads."""
    deps = {dep["path"] for name in plan for dep in recorded[name].get("deps") or []}
    made = [out["path"] for name in recorded if name not in plan for out in recorded[name].get("outs") or []]
    wanted = [out for out in made if any(dep == out or dep.startswith(f"{out}/") for dep in deps)]
    beside = {Path(dep).parent for dep in deps if (project / dep).is_file()}
    for file in sorted(project.rglob("*.dvc")):
        name = file.relative_to(project)
        if file.is_file() and (name.parent in beside or name.with_suffix("").as_posix() in deps):
            wanted.append(name.as_posix())
    return wanted


def bring(project: Path, wanted: Sequence[str], target: Target) -> None:
    """Check inputs out from the cache, else pull them. ReproductionError if they are in no cache or remote."""
    if not wanted:
        return
    try:
        run_dvc(["checkout", "--quiet", *wanted], project)
    except DvcError:
        try:
            run_dvc(["pull", *wanted], project)
        except DvcError as error:
            gone = [name for name in wanted if not _there(project, name)] or list(wanted)
            if gone == [manifests.FOLDER]:  # a function of the code
                return
            remote = "" if _has_remote(project) else " (no DVC remote is set up)"
            words = "" if MISSING in _last(error.lines) else f". DVC says: {_last(error.lines)}"
            raise ReproductionError(
                f"{', '.join(gone)} of {target.label} is missing: what dvc.lock names is neither in the DVC cache nor "
                f"in a remote{remote}. It was never pushed, or `dvc gc` has removed it{words}",
                hint="`dvc push` where it still exists, then try again: it was ingested and cannot be computed",
            ) from None


def _restore_code(project: Path, plan: Sequence[str]) -> dict[str, list[str]]:
    """Write data/code for the present sources. Returns {manifest: files that differ from the record}."""
    before, sources = manifests.written(project), of_project(project)
    manifests.restore(project)
    after = manifests.written(project)
    return {
        f"{manifests.FOLDER}/{stage}": [sources.shown(name, project) for name in names]
        for stage in plan
        if (names := manifests.changed(before, after, stage))
    }


def _there(project: Path, name: str) -> bool:
    path = project / name.removesuffix(".dvc")
    return path.exists()


def _has_remote(project: Path) -> bool:
    configs = (project / ".dvc" / "config", project / ".dvc" / "config.local")
    return any('["remote' in text or "['remote" in text for text in map(_text, configs))


class _Watch:
    """Reads the output of DVC line by line and makes a Rerun of each finished stage."""

    def __init__(
        self,
        project: Path,
        recorded: Lock,
        plan: Sequence[str],
        progress: Progress,
        other: Mapping[str, list[str]],
    ) -> None:
        self._other = other
        self._project, self._recorded, self._progress = project, recorded, progress
        self._made = [out["path"] for name in plan for out in recorded[name].get("outs") or []]
        self._begun = perf_counter()
        self.advance: Callable[[int], None] = lambda _: None
        self.at: str | None = None
        """Name of the running stage."""
        self.done: list[Rerun] = []

    def line(self, text: str) -> None:
        if found := RUNNING.match(text):
            self.finish()
            self.at, self._begun = found[1], perf_counter()

    def finish(self) -> None:
        """Make the Rerun of the finished stage from its new record in dvc.lock."""
        if self.at is None:
            return
        old, now = self._recorded[self.at], locked(self._project)[self.at]
        seconds = round(perf_counter() - self._begun, 2)
        changed = changed_inputs(old, now, self._made, self._other)
        done = Rerun(self.at, seconds, outputs(old, now), changed)
        self.done.append(done)
        self.at = None
        self.advance(1)
        self._progress.say(f"{done.stage}: {done.seconds:.1f} s, {_told(done)}")


def _run(
    project: Path,
    recorded: Lock,
    plan: Sequence[str],
    target: Target,
    progress: Progress,
    other: Mapping[str, list[str]],
) -> list[Rerun]:
    """Run every stage in order, also after one with a different output, to see the effect on the metrics."""
    # versions without ASSAY_LIVE_CURVES always write curves to MLflow: they get a store in the worktree
    aside = {"MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}"}
    env = {**worktrees.environment_for(project), **aside}
    watch = _Watch(project, recorded, plan, progress, other)
    with progress.bar(f"reproducing {target.label}", len(plan), "stages") as watch.advance:
        try:
            run_dvc([*REPRO, *plan], project, watch.line, env)
        except DvcError as error:
            raise _failure(error, target) from None
        watch.finish()
    return watch.done


def _failure(error: DvcError, target: Target) -> ReproductionError:
    """An error with the failed stage and the last lines of its output."""
    stage = next((found[1] for line in error.lines if (found := FAILED.search(line))), "?")
    said = [line for line in error.lines if not line.startswith(("ERROR", "> ")) and not RUNNING.match(line)]
    words = said[-SAID:] or [_last(error.lines)]
    return ReproductionError(
        "\n".join([f"stage {stage} of {target.label} fails when it is run again:", *words]),
        hint="it succeeded when it was recorded: check the differences of the environment, first the packages "
        "(`pip install --require-hashes -r requirements.lock` of that commit)",
    )


def _told(rerun: Rerun) -> str:
    verb = "differs" if len(rerun.differing) == 1 else "differ"
    return f"{', '.join(rerun.differing)} {verb}" if rerun.differing else "identical"


def _yaml(path: Path) -> dict[str, Any]:
    return read_yaml(path, ReproductionError, Loader) if path.exists() else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _last(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if line.startswith("ERROR")), "nothing").removeprefix(
        "ERROR: "
    )
