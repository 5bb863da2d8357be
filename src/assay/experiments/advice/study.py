"""The trainings: baseline, parts of its labels, suspects excluded and corrected, settings of the model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import plugins
from assay.data.files import read_json, recall, write_json
from assay.data.suspects import LIKELY
from assay.experiments.advice import plan as plans
from assay.experiments.advice.curve import nested
from assay.experiments.advice.labelled_data import LabelledData
from assay.experiments.advice.learners import Learner, LearnerOutcome, LearnerRun, ModelLearner, ProbeLearner
from assay.experiments.advice.noise import ConditionMetrics, measure
from assay.experiments.advice.outcome_store import OutcomeStore
from assay.experiments.advice.plan import FINALISTS, PARTS, TrialPlan
from assay.experiments.advice.suspects import Suspected
from assay.layout import Layout
from assay.lineage.closure import model_input
from assay.params import Params
from assay.progress import Progress

BASE, LEFT_OUT, CORRECTED = "baseline", "left out", "corrected"
LEAST_KEPT = 0.5
"""Share of the images that must be left for a training without the suspects: of crowded images most have one."""
REVIEWING = 7
"""Random stream of the simulated reviews."""
WHOLE, PART = "whole", "part"
Ints = NDArray[np.int64]
Labels = NDArray[np.object_]


@dataclass
class Study:
    """Outcomes of every condition, one for each seed."""

    params: Params
    data: LabelledData
    learner: Learner
    probe: ProbeLearner | None
    """What can stand in for the model; None for a task without classes."""
    store: OutcomeStore
    plan: TrialPlan
    outcomes: dict[str, list[LearnerOutcome]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    """{condition: number of labels} of the learning curve."""
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)
    """{trial: changes}; failed trials have no outcome."""
    failed: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        return [self.params.seed + k for k in range(self.plan.seeds)]

    @property
    def stands_in(self) -> bool:
        """Whether a probe replaces the model of params.yaml."""
        return self.learner is self.probe and self.params.train.model != self.learner.name

    @property
    def given(self) -> Labels:
        return self.data.labels["train"]

    @property
    def every(self) -> Ints:
        return np.arange(len(self.given))

    def train(self, label: str, runs: dict[str, list[LearnerRun]]) -> None:
        """Train the runs with one progress bar, and store the outcomes by condition."""
        flat = [run for some in runs.values() for run in some]
        found = iter(self.store.results(label, self.learner, flat))
        for name, some in runs.items():
            self.outcomes[name] = self.outcomes.get(name, []) + [next(found) for _ in some]

    def measured(self) -> ConditionMetrics:
        """The primary metric of all conditions, with its noise."""
        rows, categories = self.data.measured, self.data.categories
        labels, judge = self.data.labels["val"][rows].tolist(), plugins.load("metrics", self.data.task).judge
        return measure(
            {
                name: [judge(outcome.said.take(rows), categories, labels, categories) for outcome in held]
                for name, held in self.outcomes.items()
            },
            self.params.track.primary,
            {name: PART if name in self.sizes and name != BASE else WHOLE for name in self.outcomes},
            self.params.seed,
        )


def begin(params: Params, layout: Layout, data: LabelledData, progress: Progress) -> Study:
    """Time a training, and make the plan."""
    store = OutcomeStore(layout.scratch / "advice", progress)
    model = ModelLearner(params, layout, data, progress)
    probe = ProbeLearner(params, data) if data.says_classes else None
    plan = plans.make(params, _seconds(model, data, params, store.folder), probe is not None)
    learner: Learner = model if plan.learner == "model" or probe is None else probe
    return Study(params, data, learner, probe, store, plan)


def _seconds(model: ModelLearner, data: LabelledData, params: Params, folder: Path) -> float:
    """Duration in seconds of one training on all labels; cached."""
    run = LearnerRun(np.arange(len(data.labels["train"])), data.labels["train"], params.seed)
    file = folder / f"seconds-{model.key(run)}.json"
    if (known := recall(lambda: float(read_json(file)["seconds"]))) is not None:
        return known
    seconds = max(round(model.seconds(run), 3), 0.001)
    write_json(file, {"seconds": seconds})
    return seconds


def learn_curve(study: Study) -> None:
    """Train the baseline and growing nested parts of its labels, drawn anew for each seed."""
    n = len(study.given)
    sizes = sorted({round(part * n) for part in PARTS})
    parts = [nested(study.data.strata, sizes, seed) for seed in study.seeds]
    runs = {
        f"{size} labels": [
            LearnerRun(part[k], study.given[part[k]], seed)
            for part, seed in zip(parts, study.seeds, strict=True)
        ]
        for k, size in enumerate(sizes)
    }
    study.sizes = {**dict(zip(runs, sizes, strict=True)), BASE: n}
    runs[BASE] = [LearnerRun(study.every, study.given, seed) for seed in study.seeds]
    study.train("learning curve", runs)


def clean(study: Study, reviewed: Suspected) -> None:
    """Train after a simulated review of the suspects that fit into the time, and without the likely ones.

    For each seed, the labels that are wrong are drawn by their probabilities and corrected; the others stay. Val is
    corrected too for early stopping: with wrong labels in val, a model trained on clean labels is stopped early, and
    cleaning train alone can make it worse. The metric is measured on val as labelled.
    """
    runs = {CORRECTED: [_put_right(study, reviewed, seed) for seed in study.seeds]}
    val_given, strata = study.data.labels["val"], study.data.strata
    kept, val_kept = (
        np.setdiff1d(np.arange(n), part.above(LIKELY).rows)
        for n, part in ((len(study.given), reviewed.train), (len(val_given), reviewed.val))
    )
    some = min(len(kept) / len(strata), len(val_kept) / len(val_given)) >= LEAST_KEPT
    if some and len(np.unique(strata[kept])) == len(np.unique(strata)):
        stop = (val_kept, val_given[val_kept])
        runs[LEFT_OUT] = [LearnerRun(kept, study.given[kept], seed, stop=stop) for seed in study.seeds]
    study.train("cleaner labels", runs)


def _put_right(study: Study, reviewed: Suspected, seed: int) -> LearnerRun:
    rng, val = np.random.default_rng([seed, REVIEWING]), study.data.labels["val"]
    wrong = [some.found_wrong(rng) for some in (reviewed.train, reviewed.val)]
    stop = (np.arange(len(val)), wrong[1].corrected(val))
    return LearnerRun(study.every, wrong[0].corrected(study.given), seed, stop=stop)


def tune(study: Study) -> None:
    """Train each trial with one seed, then the best FINALISTS with all seeds."""
    images = study.learner is not study.probe and model_input(study.params.train.model) == "pixels"
    unused = getattr(study.data.plugin, "UNUSED", ())
    planned = dict(plans.trials(study.params.train, study.plan.learner, images, study.plan.trials, unused))
    whole = LearnerRun(study.every, study.given, study.seeds[0])
    study.train("trials", {name: [replace(whole, changes=change)] for name, change in planned.items()})
    study.failed = [name for name in planned if study.outcomes[name][0].failed]
    for name in study.failed:
        del study.outcomes[name]
    study.trials = {name: change for name, change in planned.items() if name not in study.failed}
    if not study.trials:
        return
    held = study.measured()
    best = sorted(study.trials, key=lambda name: -held.value(name))[:FINALISTS]
    more = [replace(whole, seed=seed) for seed in study.seeds[1:]]
    study.train("best trials", {name: [replace(run, changes=planned[name]) for run in more] for name in best})
