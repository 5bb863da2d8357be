"""From a project to the result that `assay simulate` prints and its page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import plugins, tasks
from assay.errors import ParamsError
from assay.experiments.sides import params_digest
from assay.experiments.simulation import curves, network
from assay.experiments.simulation.replay import Step, Trajectory, keys, pool_size
from assay.experiments.simulation.replay_data import DECIDES, REPORTED, ReplayProject
from assay.experiments.simulation.standing import CONTROL, StrategyCurves, judge, leader, strategy_standings
from assay.experiments.simulation.workers import replay_all
from assay.layout import Layout
from assay.lineage.digests import canonical_digest
from assay.lineage.fingerprint import run_code
from assay.params import Params, Simulate
from assay.progress import Progress
from assay.strategies import check_options, needs_classes, needs_model

Qualities = Sequence[Sequence[Mapping[str, NDArray[Any]]]]
"""{split: (n,) how right each prediction is} after each step of each trajectory."""
ROUND = (1, 2, 5)
ACCURACY, QUALITY = "accuracy", "quality"
"""What is measured: the share of images that are predicted right; the mean of how right each image is, as the metrics
of the task define it: of objects the F1 at IoU .50."""
AGAIN = 2
"""New seeds, for each of the first, on which the best strategy is tested again. The best of twelve is biased upwards:
on the five seeds that chose it, significance needs the level 1 − 0.05 / 11 (Student's t of 5.6), on ten new seeds 0.95
(2.3)."""


@dataclass(frozen=True)
class ReplayPlan:
    """`params.simulate` with defaults resolved."""

    asked: Simulate
    names: tuple[str, ...]
    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    pool: int
    """Images used by a seed."""
    says_classes: bool = True
    """Whether labels are classes; otherwise the model alone learns from them."""

    @property
    def metric(self) -> str:
        return ACCURACY if self.says_classes else QUALITY

    def again(self, name: str) -> ReplayPlan:
        """The plan for one strategy and CONTROL on new seeds."""
        first = self.seeds[-1] + 1
        return replace(
            self, names=(CONTROL, name), seeds=tuple(range(first, first + AGAIN * len(self.seeds)))
        )

    def trajectories(self) -> list[Trajectory]:
        """Trajectories by strategy, then by seed."""
        return [
            Trajectory(name, seed, self.budgets, self.asked.most, self.asked.options.get(name, {}))
            for name in self.names
            for seed in self.seeds
        ]


def plan(asked: Simulate, seed: int, labelled: int, task: str = "classification") -> ReplayPlan:
    """The plan of a simulation. ParamsError for an unknown strategy or option, an impossible budget or learner."""
    names = dict.fromkeys([CONTROL, *(asked.strategies or valid_for(task))])
    check_task(asked, task)
    for name, options in asked.options.items():
        check_options(plugins.load("strategies", name), options)
    size = pool_size(labelled, asked.most)
    seeds = tuple(range(seed, seed + asked.seeds))
    return ReplayPlan(
        asked, tuple(names), budgets(asked, size, labelled), seeds, size, tasks.load(task).SAYS_CLASSES
    )


def valid_for(task: str) -> list[str]:
    """Strategies that can be replayed: without classes no probe learns what is revealed, and none can be asked."""
    every = plugins.names("strategies")
    if tasks.load(task).SAYS_CLASSES:
        return every
    loaded = {name: plugins.load("strategies", name) for name in every}
    return [name for name, one in loaded.items() if not needs_model(one) and not needs_classes(one)]


def check_task(asked: Simulate, task: str) -> None:
    """ParamsError for a strategy or learner that works with classes only, where a label is more than a class."""
    valid = valid_for(task)
    if wrong := [
        name for name in asked.strategies if name not in valid and name in plugins.names("strategies")
    ]:
        raise ParamsError(
            f"assay simulate: {', '.join(wrong)} would ask a probe, which learns classes, and {task} has none",
            hint=f"strategies that look at embeddings only: {', '.join(valid)}",
        )
    if asked.learner == "probe" and not tasks.load(task).SAYS_CLASSES:
        raise ParamsError(
            f"simulate.learner: a probe learns classes, and the labels of {task} are none",
            hint="assay simulate --learner model: a training at each step, each kept when it ends",
        )


def budgets(asked: Simulate, size: int, labelled: int) -> tuple[int, ...]:
    """Budgets in labels. ParamsError if the last exceeds the `size` images of a seed."""
    if asked.budgets is None:
        found = (factor * 10**power for power in range(1, 7) for factor in ROUND)
        return tuple(budget for budget in found if budget <= size // 2)
    if asked.budgets[-1] > size:
        why = f"a seed replays on a random half of the {labelled:,} labelled train images"
        more = f", and on {asked.most:,} at most (simulate.most)" if size == asked.most else ""
        raise ParamsError(
            f"simulate.budgets: {asked.budgets[-1]:,} labels cannot be chosen among {size:,} images",
            hint=why + more,
        )
    return tuple(asked.budgets)


def compute(
    made: ReplayPlan,
    project: ReplayProject,
    params: Params,
    layout: Layout,
    progress: Progress,
    workers: int | None = None,
) -> dict[str, Any]:
    """Replay what is not cached, and return the result. JSON-able; `key`: fingerprint of all inputs."""
    trajectories = made.trajectories()
    replays, computed = replay_all(project.data, trajectories, layout.scratch / "simulate", progress, workers)
    quality: Qualities = [[step.correct for step in steps] for steps in replays]
    trained = 0
    if made.asked.learner == "model":
        quality, trained = network.measured(project, trajectories, replays, params, layout, progress)
    fields = {ruler: _field(made, quality, ruler, params.seed) for ruler in project.data.rulers}
    seconds = _seconds(made, replays)
    rows = strategy_standings(fields[DECIDES], made.asked.to_accuracy, seconds)
    again, more = None, 0
    if made.asked.learner == "probe" and (best := leader(rows)):
        again, more = _again(made, best, project, params, layout, progress, workers)
    told = _tell(made, project, fields, rows, again, seconds)
    model = [params_digest(params), run_code(params)] if made.asked.learner == "model" else []
    last = [keys(project.data, one)[-1] for one in trajectories]
    key = canonical_digest([last, made.asked.to_accuracy, model])
    learner = params.train.model if made.asked.learner == "model" else "probe"
    return {"key": key, "learner": learner, "computed": computed + more, "trained": trained, **told}


def _again(
    made: ReplayPlan,
    name: str,
    project: ReplayProject,
    params: Params,
    layout: Layout,
    progress: Progress,
    workers: int | None,
) -> tuple[dict[str, Any], int]:
    """Row of the best strategy on new seeds, and the number of steps computed by this call."""
    plan, others = made.again(name), len(made.names) - 1
    progress.say(f"{name} is best so far: testing it against {CONTROL} on {len(plan.seeds)} new seeds")
    replays, computed = replay_all(
        project.data, plan.trajectories(), layout.scratch / "simulate", progress, workers
    )
    quality = [[step.correct for step in steps] for steps in replays]
    field = _field(plan, quality, DECIDES, params.seed, others)
    rows = strategy_standings(field, made.asked.to_accuracy, _seconds(plan, replays))
    return next(row for row in rows if row["name"] == name), computed


def _field(
    made: ReplayPlan,
    quality: Qualities,
    ruler: str,
    seed: int,
    chosen_among: int = 1,
) -> StrategyCurves:
    flat = np.array([[step[ruler] for step in steps] for steps in quality])
    shape = (len(made.names), len(made.seeds), *flat.shape[1:])
    return StrategyCurves(made.names, curves.measure(flat.reshape(shape), made.budgets, seed, chosen_among))


def _seconds(made: ReplayPlan, replays: Sequence[Sequence[Step]]) -> dict[str, float]:
    """{strategy: seconds to choose}, mean over steps and seeds."""
    each = [[step.choosing for step in steps] for steps in replays]
    by_name = np.array(each).reshape(len(made.names), -1).mean(1)
    return dict(zip(made.names, by_name.tolist(), strict=True))


def _tell(
    made: ReplayPlan,
    project: ReplayProject,
    fields: Mapping[str, StrategyCurves],
    rows: list[dict[str, Any]],
    again: dict[str, Any] | None,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    asked = made.asked.to_accuracy
    reported = strategy_standings(fields[REPORTED], asked, seconds) if REPORTED in fields else None
    level = fields[DECIDES].level(asked)[0]
    return {
        "metric": made.metric,
        "chosen_on": DECIDES,
        "verdict": judge(fields[DECIDES], rows, reported, again, made.metric),
        "again": again,
        "to_accuracy": {"value": round(level, 6), "asked": asked is not None},
        "strategies": rows,
        "test": reported,
        "budgets": list(made.budgets),
        "seeds": list(made.seeds),
        "samples": {
            "train": len(project.data.pool),
            "pool": made.pool,
            **{ruler: len(images) for ruler, images in project.data.rulers.items()},
        },
        "classes": len(project.categories),
        "strength": project.data.strength,
    }
