"""Verdict of a reproduction: bitwise identical, within tolerance, or diverged, with the place and known causes.

"Within tolerance" is for rounding differences of another machine or library. It requires the same inputs (code, params,
edits), the same training set and test samples, and for every metric a 95 % interval that overlaps the recorded one.
With other inputs, any difference is a divergence.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from assay.data.files import legible, read_json, read_table
from assay.errors import RevisionError, TrackingError
from assay.experiments.reproduction.differing import OutputDifference, explain
from assay.experiments.reproduction.rebuild import Rebuilt
from assay.experiments.reproduction.target import Target
from assay.experiments.reproduction.tolerance import Tolerance, judge
from assay.experiments.reproduction.words import count
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.lineage import worktrees
from assay.lineage.revisions import run_dvc
from assay.params import Params
from assay.tracking.recorded import download

Verdict = Literal["bitwise identical", "within tolerance", "diverged", "cannot be reproduced"]
METRICS, PREDICTIONS, MODEL = "outputs/metrics.json", "outputs/predictions.parquet", "outputs/model"
SELECTION, TRAIN = "data/selection", "train.parquet"
IN_RUNS = (METRICS, PREDICTIONS, "outputs/history.csv")
"""Outputs that an MLflow run has as artifacts, in case the cache has lost them."""


@dataclass(frozen=True)
class ReproductionVerdict:
    """The verdict and its reasons. `stage`, `output`: place of the first difference, if there is one."""

    verdict: Verdict
    sentence: str
    stage: str | None = None
    output: str | None = None
    because: list[str] = field(default_factory=list)
    differences: list[OutputDifference] = field(default_factory=list)
    tolerance: Tolerance | None = None
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        differences = [asdict(difference) for difference in self.differences]
        tolerance = None if self.tolerance is None else self.tolerance.as_dict()
        return {**vars(self), "differences": differences, "tolerance": tolerance}


class RecordedOutputs:
    """The recorded outputs, from the cache or a remote in a worktree of their own, or from the MLflow run."""

    def __init__(self, target: Target, params: Params, layout: Layout, stack: ExitStack) -> None:
        self._target, self._params, self._layout, self._stack = target, params, layout, stack
        self._side: Side | None = None
        self.lost: list[str] = []

    def fetch(self, outputs: Sequence[str]) -> None:
        """Fetch several outputs from the cache with one call of DVC; `get` looks for those that are missing."""
        root = self._open().root
        try:
            run_dvc(["checkout", "--quiet", *outputs], root)
        except RevisionError:  # an incomplete folder must not be used
            for output in outputs:
                shutil.rmtree(root / output, ignore_errors=True)
                (root / output).unlink(missing_ok=True)

    def get(self, output: str) -> Path | None:
        """Path of a recorded output; None, with its name in `lost`, if it is in no cache, remote or run."""
        if output in self.lost:  # a failed checkout may have left a part of it
            return None
        try:
            return self._open().path(output)
        except RevisionError:
            found = self._of_run(output)
            if found is None and output not in self.lost:
                self.lost.append(output)
            return found

    def _open(self) -> Side:
        if self._side is None:
            target = self._target
            project = self._stack.enter_context(
                worktrees.temporary(self._layout.root.resolve(), target.commit, target.patch, target.lock)
            )
            self._side = Side(target.name, target.kind, project, target.commit, target.patch, target.run_id)
        return self._side

    def _of_run(self, output: str) -> Path | None:
        if self._target.run_id is None or output not in IN_RUNS:
            return None
        folder, name = self._open().root / ".assay", Path(output).name
        folder.mkdir(exist_ok=True)
        try:
            return download(self._target.run_id, [name], folder, self._params, self._layout).get(name)
        except TrackingError:
            return None


def judged(
    rebuilt: Rebuilt, target: Target, params: Params, layout: Layout, keep: Path | None = None
) -> ReproductionVerdict:
    """Compare the outputs with their record. `keep`: folder for both versions of every output that differs."""
    stages = rebuilt.stages
    because = [f"{stage.stage}: {what}" for stage in stages for what in stage.changed_inputs]
    notes = [f"{name} was not run: dvc.lock has no record of it" for name in rebuilt.left_out]
    if target.untracked:
        notes.append(
            f"missing files that were neither in git nor recorded: {', '.join(target.untracked[:5])}"
        )
    first = next((stage for stage in stages if stage.differing), None)
    if first is None:
        outputs = sum(len(stage.outputs) for stage in stages)
        sentence = f"bitwise identical: {count(len(stages), 'stage')}, {count(outputs, 'output')}"
        if because:
            notes.append("although some inputs differ from the record")
        return ReproductionVerdict("bitwise identical", sentence, because=because, notes=notes)
    with ExitStack() as stack:
        record = RecordedOutputs(target, params, layout, stack)
        differing = [output for stage in stages for output in stage.differing]
        record.fetch(list(dict.fromkeys([*differing, *_measured(rebuilt)])))
        categories = _categories(rebuilt)
        differences = [
            difference
            for output in differing
            for difference in _explained(output, record, rebuilt.project, categories)
        ]
        if keep is not None:
            _keep(differing, record, rebuilt.project, keep)
        tolerance = _tolerance(rebuilt, record)
        if record.lost:
            notes.append(
                f"the recorded {', '.join(record.lost)} is no longer in a cache: compared by hash only"
            )
    place = f"stage {first.stage}, output {first.differing[0]}"
    within = tolerance is not None and tolerance.within and not because
    sentence = (
        f"within tolerance: differs from {place} on; {_agreed(tolerance)}"
        if within
        else f"diverged at {place}"
    )
    return ReproductionVerdict(
        "within tolerance" if within else "diverged",
        sentence,
        first.stage,
        first.differing[0],
        because,
        differences,
        tolerance,
        notes,
    )


def _explained(
    output: str, record: RecordedOutputs, project: Path, categories: Sequence[str]
) -> list[OutputDifference]:
    old, new = record.get(output), project / output
    if old is None:
        return [OutputDifference(output, "", "another hash; the recorded content is no longer in a cache")]
    if not old.exists() or not new.exists():
        return [OutputDifference(output, "", "recorded only" if old.exists() else "present now only")]
    return explain(output, old, new, categories)


def _measured(rebuilt: Rebuilt) -> list[str]:
    """Metrics and predictions; empty if the model was not evaluated, in the record or now."""
    there = {output.path for stage in rebuilt.stages for output in stage.outputs}
    return [METRICS, PREDICTIONS] if {METRICS, PREDICTIONS} <= there else []


def _tolerance(rebuilt: Rebuilt, record: RecordedOutputs) -> Tolerance | None:
    """None if the model was not evaluated."""
    if not _measured(rebuilt):
        return None
    metrics, predictions = record.get(METRICS), record.get(PREDICTIONS)
    if metrics is None or predictions is None:
        return Tolerance([], None, "the recorded metrics and predictions are no longer in a cache")
    now = rebuilt.project
    found = judge(
        read_json(metrics), read_json(now / METRICS), read_table(predictions), read_table(now / PREDICTIONS)
    )
    if found.within and any(SELECTION in stage.differing for stage in rebuilt.stages):
        recorded = record.get(SELECTION)
        if recorded is None or _digest(recorded) != _digest(now / SELECTION):
            return Tolerance(found.metrics, found.agreement, "the training set is not the same")
    return found


def _digest(selection: Path) -> bytes | None:
    """Digest of the training set of a selection, from the metadata of its table."""
    with legible(selection / TRAIN):
        return (pq.read_schema(selection / TRAIN).metadata or {}).get(b"digest")


def _agreed(tolerance: Tolerance | None) -> str:
    agreed = None if tolerance is None else tolerance.agreement
    if agreed is None:
        return "nothing was measured"
    return (
        f"same class for {agreed.same_class:.2%} of {agreed.n:,} test samples, probabilities at most "
        f"{agreed.max_difference:.2g} apart, all 95 % intervals overlap"
    )


def _categories(rebuilt: Rebuilt) -> list[str]:
    about = rebuilt.project / MODEL / "model.json"
    return list(read_json(about).get("categories") or []) if about.exists() else []


def _keep(differing: Sequence[str], record: RecordedOutputs, project: Path, keep: Path) -> None:
    for output in differing:
        for name, source in (("recorded", record.get(output)), ("now", project / output)):
            if source is None or not source.exists():
                continue
            to = keep / name / output
            to.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, to, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, to)
