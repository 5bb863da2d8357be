"""What is trained for advice: the model of params.yaml, in this process, or a probe in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from assay import tasks
from assay.errors import AssayError
from assay.experiments.advice.labelled_data import LabelledData
from assay.layout import Layout
from assay.lineage.closure import stage_closure
from assay.lineage.digests import canonical_digest, code_digest
from assay.params import Params, Train
from assay.progress import Progress, silent
from assay.training import build as starts
from assay.training import linear_probe
from assay.training.fit import Examples, deterministic, fit, pick_device
from assay.training.inputs import Inputs, outputs_of

Ints = NDArray[np.int64]
Labels = NDArray[np.object_]
OnEpoch = Callable[[], None]

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Grid of the probe's C (scikit-learn: inverse of the regularisation), chosen by the loss on a held-out third."""
ENOUGH = 3000
"""Most rows used for that choice."""
TIMED = 4
"""Batches used to time a training."""


@dataclass(frozen=True)
class LearnerRun:
    """One training: rows of the train split, their labels, changes to `train`, and the seed."""

    rows: Ints
    labels: Labels
    """(rows,)"""
    seed: int
    changes: dict[str, Any] = field(default_factory=dict)
    stop: tuple[Ints, Labels] | None = None
    """(rows, labels) of val for early stopping; None: val as labelled."""


@dataclass(frozen=True)
class LearnerOutcome:
    """What is predicted on val, as columns of the task (n rows); without rows if the training failed."""

    said: pa.Table
    seconds: float

    @property
    def failed(self) -> bool:
        return not len(self.said)


NOTHING = pa.table({"predicted": pa.array([], pa.string())})
"""What a failed training predicts."""


class Learner(Protocol):
    """A model that `Notebook` can train."""

    name: str

    def key(self, run: LearnerRun) -> str:
        """SHA-256 of all inputs of the outcome."""
        ...

    def epochs(self, run: LearnerRun) -> int: ...

    def learn(self, run: LearnerRun, on_epoch: OnEpoch) -> LearnerOutcome: ...


@dataclass(frozen=True)
class InputRows:
    """Some rows of inputs."""

    inputs: Inputs
    rows: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Ints) -> NDArray[Any]:
        return self.inputs.batch(self.rows[rows])


class ModelLearner:
    """The model of params.yaml, trained as in the stage `train`, without its files."""

    def __init__(self, params: Params, layout: Layout, data: LabelledData, progress: Progress) -> None:
        self.name = params.train.model
        self._params, self._layout, self._data, self._progress = params, layout, data, progress

    def key(self, run: LearnerRun) -> str:
        steering = self._params.model_dump(mode="json", include={"task", "train", "embed"})
        device = pick_device(self._params.train.device).type
        return _key(self._data, run, [steering, device, torch.__version__, self._code])

    def epochs(self, run: LearnerRun) -> int:
        return self._settings(run).epochs

    def learn(self, run: LearnerRun, on_epoch: OnEpoch) -> LearnerOutcome:
        """Train, or resume a killed training at its last epoch. If the loss is not finite, the outcome is empty."""
        checkpoint = self._layout.scratch / "advice" / f"{self.key(run)}.pt"
        started = perf_counter()
        try:
            said = self._train(run, checkpoint, on_epoch)
        except AssayError:
            if not run.changes:
                raise
            return LearnerOutcome(NOTHING, perf_counter() - started)
        checkpoint.unlink(missing_ok=True)
        return LearnerOutcome(said, perf_counter() - started)

    def seconds(self, run: LearnerRun) -> float:
        """Estimated duration: the second of two epochs on TIMED batches, scaled up."""
        batch = self._settings(run).batch
        few = run.rows[:: max(1, len(run.rows) // (TIMED * batch))][: TIMED * batch]
        part = len(few) / len(run.rows)
        val = np.arange(max(1, round(len(self._val) * part)))
        ends: list[float] = []
        trial = LearnerRun(
            few,
            self._data.labels["train"][few],
            run.seed,
            {**run.changes, "epochs": 2},
            stop=(val, self._data.labels["val"][val]),
        )
        checkpoint = self._layout.scratch / "advice" / f"timed-{self.key(trial)}.pt"
        checkpoint.unlink(missing_ok=True)
        self._train(trial, checkpoint, lambda: ends.append(perf_counter()))
        checkpoint.unlink(missing_ok=True)
        return (ends[-1] - ends[0]) / part * self._settings(run).epochs

    def _train(self, run: LearnerRun, checkpoint: Path, on_epoch: OnEpoch) -> pa.Table:
        settings = self._settings(run)
        params = self._params.model_copy(update={"seed": run.seed, "train": settings})
        with deterministic(settings.threads):
            examples = self._some(self._train_split, run.rows, run.labels)
            stop = self._some(self._val, *run.stop) if run.stop else self._val
            module = starts.build(params, self._spec[0], examples)
            fitted = fit(
                module,
                examples,
                stop,
                self._task,
                settings,
                run.seed,
                checkpoint,
                silent,
                lambda _: on_epoch(),
            )
            device = pick_device(settings.device)
            module.load_state_dict(fitted.weights)
            batch = settings.batch * 4
            made = outputs_of(module, self._val.inputs, batch, device)
            said = self._task.predict(made, self._val.placement)
        table: pa.Table = self._task.to_table(said, self._data.categories)
        return table

    def _some(self, split: Examples, rows: Ints, labels: Labels) -> Examples:
        """Rows of a split with these labels (rows,)."""
        targets = self._task.targets(labels.tolist(), list(self._data.categories))
        where = None if split.placement is None else split.placement.take(rows)
        return Examples(InputRows(split.inputs, rows), targets, where)

    def _settings(self, run: LearnerRun) -> Train:
        return self._params.train.model_copy(update=run.changes)

    @cached_property
    def _code(self) -> str:
        stages = ["train", "embed"] if self._spec[1].kind == "embeddings" else ["train"]
        files = {file for name in stages for file in stage_closure(name, self._params)}
        return code_digest(files | {Path(__file__)})

    @cached_property
    def _task(self) -> Any:
        return tasks.load(self._params.task)

    @cached_property
    def _spec(self) -> Any:
        ids = pa.chunked_array([self._data.ids["train"]], pa.string())
        return starts.specify(self._params, list(self._data.categories), self._layout, ids)

    def _examples(self, split: str) -> Examples:
        made = starts.examples(
            self._data.table,
            split,
            list(self._data.categories),
            self._spec[1],
            self._layout,
            self._progress,
            self._task,
        )
        assert made is not None
        return made

    @cached_property
    def _train_split(self) -> Examples:
        return self._examples("train")

    @cached_property
    def _val(self) -> Examples:
        return self._examples("val")


class ProbeLearner:
    """Logistic regression on the standardised embeddings: takes seconds, and does not depend on a seed."""

    name = "probe"

    def __init__(self, params: Params, data: LabelledData) -> None:
        self._params, self._data = params, data

    def key(self, run: LearnerRun) -> str:
        embed = self._params.model_dump(mode="json", include={"embed"})
        return _key(self._data, replace(run, seed=0, stop=None), ["probe", embed, self._code])

    def epochs(self, run: LearnerRun) -> int:
        return 1

    def learn(self, run: LearnerRun, on_epoch: OnEpoch) -> LearnerOutcome:
        started = perf_counter()
        strength = self.strength * run.changes.get("strength", 1.0)
        targets, classes = self._data.numbers(run.labels), self._data.categories
        probe = linear_probe.fit(self._train[run.rows], targets, len(classes), strength)
        said = self._data.plugin.to_table(probe.probabilities(self._val).astype(np.float32), classes)
        outcome = LearnerOutcome(said, perf_counter() - started)
        on_epoch()
        return outcome

    @cached_property
    def strength(self) -> float:
        """C of STRENGTHS with the least loss on a held-out third of at most ENOUGH train images."""
        rng = np.random.default_rng(0)
        groups = self._data.groups
        chosen = rng.permutation(int(groups.max()) + 1)
        order = np.argsort(chosen[groups], kind="stable")[:ENOUGH]
        held, rest = order[: len(order) // 3], order[len(order) // 3 :]
        targets = self._data.strata
        if len(np.unique(targets[rest])) < 2:
            return STRENGTHS[1]
        losses = []
        for strength in STRENGTHS:
            probe = linear_probe.fit(self._train[rest], targets[rest], len(self._data.categories), strength)
            chances = probe.probabilities(self._train[held])
            losses.append(
                float(-np.log(np.maximum(chances[np.arange(len(held)), targets[held]], 1e-6)).mean())
            )
        return STRENGTHS[int(np.argmin(losses))]

    @cached_property
    def _code(self) -> str:
        return code_digest({Path(__file__), *stage_closure("embed", self._params)})

    @cached_property
    def _train(self) -> NDArray[np.float32]:
        return self._data.vectors("train")

    @cached_property
    def _val(self) -> NDArray[np.float32]:
        return self._data.vectors("val")


def _key(data: LabelledData, run: LearnerRun, more: list[Any]) -> str:
    """SHA-256 of what every outcome depends on: ids and labels of the images trained and measured on, and `more`."""
    ids = data.ids["train"]
    state = hashlib.sha256(canonical_digest([more, data.categories, run.seed, run.changes]).encode())
    for split_ids in ([ids[row] for row in run.rows], data.ids["val"]):
        state.update(("\n".join(split_ids) + "\0").encode())
    if run.stop:
        state.update("\n".join(data.ids["val"][row] for row in run.stop[0]).encode())
    for labels in (run.labels, data.labels["val"], *((run.stop[1],) if run.stop else ())):
        state.update(("\n".join(labels.tolist()) + "\0").encode())
    return state.hexdigest()
