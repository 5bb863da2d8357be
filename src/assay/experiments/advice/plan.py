"""Plan of the trainings that fit into the minutes given: sizes of the learning curve, seeds, settings of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from assay.errors import ParamsError
from assay.params import Params, Train

PARTS = (0.25, 0.4, 0.63)
"""Parts of the labels for the points of the learning curve below the last."""
FINALISTS = 2
"""Trials that get all seeds, after one seed of each trial."""
Change = dict[str, Any]
STRONGER = {"none": "light", "light": "strong", "flips": "strong", "strong": "light"}
WEAKER = {"none": "flips", "light": "none", "flips": "light", "strong": "none"}


@dataclass(frozen=True)
class TrialPlan:
    """What is trained, how often, and the duration of one training (seconds, on this machine)."""

    learner: str
    seeds: int
    trials: int
    seconds: float
    why: str = ""

    @property
    def trainings(self) -> float:
        """Cost in units of one training on all labels."""
        finals = min(FINALISTS, self.trials) * (self.seeds - 1)
        return self.seeds * (1 + sum(PARTS) + 2) + self.trials + finals


def make(params: Params, seconds: float, has_probe: bool = True) -> TrialPlan:
    """The largest plan within `advise.minutes` if a training takes `seconds`; if none fits, one with a probe.

    ParamsError, with the minutes that are needed, if none fits and the task has no probe.
    """
    asked = params.advise
    if asked.learner == "model":
        return TrialPlan("model", asked.seeds, asked.trials, seconds)
    for seeds, trials in _ladder(asked.seeds, asked.trials):
        plan = TrialPlan("model", seeds, trials, seconds)
        if asked.learner == "auto" and plan.trainings * seconds <= asked.minutes * 60:
            return plan
    least = TrialPlan("model", 2, 2, seconds)
    needs = f"{params.train.model} needs about {_told(seconds)} a training, {_told(least.trainings * seconds)} in all"
    if not has_probe:
        raise _too_long(params, needs, least)
    why = (
        "advise.learner is probe"
        if asked.learner == "probe"
        else f"{needs}; advise.minutes allows {asked.minutes:g}"
    )
    return TrialPlan("probe", asked.seeds, asked.trials, seconds, why)


def _too_long(params: Params, needs: str, least: TrialPlan) -> ParamsError:
    if params.advise.learner == "probe":
        return ParamsError(
            f"advise.learner: a probe tells classes of images apart, and {params.task} has none",
            hint="advise.learner: model, or auto",
        )
    minutes = ceil(1.2 * least.trainings * least.seconds / 60)
    return ParamsError(
        f"advise.minutes allows {params.advise.minutes:g} minutes of training, and {needs}",
        hint=f"advise.minutes: {minutes}; every epoch is kept, so that a call that was stopped goes on",
    )


def _ladder(seeds: int, trials: int) -> Iterator[tuple[int, int]]:
    """(seeds, trials) from the params down to two of each; trials are reduced first, as the best two get all seeds."""
    for s in range(seeds, 1, -1):
        for t in range(trials, 1, -2):
            yield s, t
    yield 2, 2


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def trials(
    settings: Train, learner: str, images: bool, count: int, unused: Sequence[str] = ()
) -> list[tuple[str, Change]]:
    """(name, changes) of the first `count` trials: steps from the present settings, the largest first.

    `unused`: keys of `train` that have no meaning for the task.
    """
    if learner == "probe":
        steps = (3.0, 1 / 3, 10.0, 0.1, 30.0, 1 / 30, 100.0, 0.01)
        return [(f"C × {step:.3g}", {"strength": step}) for step in steps[:count]]
    lr, decay = settings.lr, settings.weight_decay
    ideas: list[Change] = [
        {"lr": _short(lr * 3)},
        {"lr": _short(lr / 3)},
        {"weight_decay": _short(decay * 10) or 0.01},
        {"label_smoothing": 0.1 if settings.label_smoothing < 0.05 else 0.0},
        {"weight_decay": _short(decay / 10) or 0.1},
        {"epochs": settings.epochs * 2},
    ]
    if images:
        ideas[1:1] = [{"augment": STRONGER[settings.augment]}]
        ideas[4:4] = [{"augment": WEAKER[settings.augment]}]
    useful = [change for change in ideas if change.keys().isdisjoint(unused)]
    return [(_name(change), change) for change in useful[:count]]


def _name(change: Change) -> str:
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, int | float) else f"{key} {value}"
        for key, value in change.items()
    )


def _short(value: float) -> float:
    return float(f"{value:.2g}")
