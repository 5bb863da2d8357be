"""Both tracks, step by step, for several seeds. Every training is a cell, so cached ones cost nothing.

Each seed is a separate race, with its own trainings, folds, draws and search. All decisions are functions of the seed
and of the metric on val: a race that was killed repeats the same trainings when restarted and finds them cached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.errors import AssayError
from assay.experiments.cells import Cell, Result
from assay.experiments.race import data_track, space
from assay.experiments.race.answers import Answers
from assay.experiments.race.data_track import Budget, Labels, Stock
from assay.experiments.race.model_track import Search
from assay.metrics.table import named
from assay.params import Race
from assay.progress import Progress, silent

Track = Literal["data", "model"]
TRACKS: tuple[Track, ...] = ("data", "model")
CHOSEN_ON = "val"
"""The split that both tracks choose models by; a model chosen on test could not be measured on test."""


@dataclass(frozen=True)
class Turn:
    """One training to run. `about`: the labels asked for, or the params tried."""

    track: Track | Literal["baseline"]
    step: int
    seed: int
    cell: Cell
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.track} {self.step}, seed {self.seed}" if self.step else f"baseline, seed {self.seed}"


@dataclass(frozen=True)
class Done:
    """A turn and its result; None if these params cannot be trained, with the reason in `failed`."""

    turn: Turn
    result: Result | None
    failed: str = ""


Execute = Callable[[Sequence[Turn]], list[Done]]


@dataclass(frozen=True)
class Course:
    """Inputs of a race."""

    baseline: Cell
    """The cell of the baseline; its seed is replaced by that of each race."""
    stock: Stock
    answers: Answers
    race: Race
    metric: str

    @property
    def seeds(self) -> list[int]:
        return [self.baseline.parsed.seed + k for k in range(self.race.seeds)]

    @property
    def budget(self) -> Budget:
        asked, race = self.baseline.parsed.select, self.race
        own = asked.options if asked.strategy == race.strategy else {}
        return Budget(race.labels_per_step, race.review_share, race.strategy, own)

    @property
    def maximise(self) -> bool:
        return named(self.metric).higher_is_better


@dataclass
class Racer:
    """State of the race of one seed: the turns of each track so far."""

    course: Course
    seed: int
    search: Search
    labels: Labels
    done: dict[Track, list[Done]] = field(default_factory=lambda: {"data": [], "model": []})
    """Turns by track, step 0 (the baseline) first."""

    def baseline(self) -> Turn:
        return Turn("baseline", 0, self.seed, self._cell())

    def data_turn(self, step: int) -> Turn:
        stock = self.course.stock
        chance = self.seed * 1000 + step
        self.labels, asked = data_track.step(
            self.labels, stock, self.course.answers, self.course.budget, chance
        )
        cell = self._cell(train=data_track.table(self.labels, stock))
        return Turn("data", step, self.seed, cell, asked.to_json())

    def model_turn(self, step: int) -> Turn:
        tried = self.search.ask()
        return Turn("model", step, self.seed, self._cell(tried), tried)

    def take(self, done: Done) -> None:
        """Record the result of a turn; the search gets the score of its own trials."""
        if done.turn.track == "baseline":
            for track in TRACKS:
                self.done[track].append(done)
            self.search.tell_baseline(score(done, self.course.metric))
        else:
            self.done[done.turn.track].append(done)
        if done.turn.track == "model":
            self.search.tell(score(done, self.course.metric) if done.result else None)

    def _cell(self, tried: dict[str, Any] | None = None, train: Any = None) -> Cell:
        base = self.course.baseline
        params = space.apply(tried or {}, {**base.params, "seed": self.seed})
        return Cell(base.code, params, base.train if train is None else train, base.ruler)


def racers(course: Course) -> list[Racer]:
    """One for each seed, before the first step."""
    choices = space.resolve(course.race.space, course.baseline.parsed)
    own = course.baseline.parsed
    return [
        Racer(course, seed, Search(choices, own, seed, course.maximise), data_track.beginning(course.stock))
        for seed in course.seeds
    ]


def run(course: Course, execute: Execute, progress: Progress = silent) -> list[Racer]:
    """Run all steps. The trainings of one step are independent: `execute` may run them in parallel."""
    field_ = racers(course)
    by_seed = {racer.seed: racer for racer in field_}

    def take(turns: Sequence[Turn]) -> None:
        for done in execute(turns):
            by_seed[done.turn.seed].take(done)

    progress.say(f"baseline: {len(field_)} seeds")
    take([racer.baseline() for racer in field_])
    for step in range(1, course.race.steps + 1):
        progress.say(f"step {step} of {course.race.steps}: choosing labels and params")
        turns = [racer.data_turn(step) for racer in field_]
        take(turns + [racer.model_turn(step) for racer in field_])
        refuse_hopeless(field_)
    return field_


def refuse_hopeless(racers: Sequence[Racer]) -> None:
    """AssayError if no trial of any seed could be trained: without a model track there is no comparison."""
    trials = [done for racer in racers for done in racer.done["model"][1:]]
    if not any(done.result for done in trials):
        raise AssayError(
            f"none of the {len(trials)} trials of the model track could be trained; the first ended with:\n"
            f"{trials[0].failed}",
            hint="narrow race.space to what train.image_size and the code of the baseline support",
        )


def score(done: Done, metric: str) -> float:
    """Metric of a turn on val."""
    assert done.result is not None
    return float(done.result.metrics[CHOSEN_ON][metric]["value"])


def chosen(history: Sequence[Done], metric: str) -> Done:
    """The turn of a track that is best on val so far, of equal ones the earliest; the same rule for both tracks."""
    sign = named(metric).sign
    return max((done for done in history if done.result), key=lambda done: sign * score(done, metric))
