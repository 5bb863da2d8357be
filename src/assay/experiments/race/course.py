"""The course: both tracks, step by step, for several seeds. Every training is a cell: known ones cost nothing.

A seed is a whole race of its own: its trainings, its folds and draws, its search. What is decided follows from the seed
and from what was measured on val, so a race that was killed takes the same turns again and finds them done.
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
"""The split that both tracks choose by. There is no other: what test has chosen, test cannot measure."""


@dataclass(frozen=True)
class Turn:
    """One training that is to be done, and why: `about` is what was asked of people, or tried."""

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
    """A turn and what it came to; no result if these params cannot be trained with, and then why."""

    turn: Turn
    result: Result | None
    failed: str = ""


Execute = Callable[[Sequence[Turn]], list[Done]]


@dataclass(frozen=True)
class Course:
    """What a race starts from."""

    baseline: Cell
    """With any seed: each race has its own."""
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
    """One seed's race as it goes: what each track has done, and what it would do next."""

    course: Course
    seed: int
    search: Search
    labels: Labels
    done: dict[Track, list[Done]] = field(default_factory=lambda: {"data": [], "model": []})
    """From step 0, the baseline, on."""

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
        """Remember what a turn came to; the search learns from its own."""
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
    """The whole race. Within a step all trainings are independent: `execute` may run them at once."""
    field_ = racers(course)
    by_seed = {racer.seed: racer for racer in field_}

    def take(turns: Sequence[Turn]) -> None:
        for done in execute(turns):
            by_seed[done.turn.seed].take(done)

    progress.say(f"baseline: {len(field_)} seeds")
    take([racer.baseline() for racer in field_])
    for step in range(1, course.race.steps + 1):
        progress.say(f"step {step} of {course.race.steps}: labels are asked, trials proposed")
        turns = [racer.data_turn(step) for racer in field_]
        take(turns + [racer.model_turn(step) for racer in field_])
        refuse_hopeless(field_)
    return field_


def refuse_hopeless(racers: Sequence[Racer]) -> None:
    """AssayError if no trial of any seed could be trained: a model track that never ran has not lost."""
    trials = [done for racer in racers for done in racer.done["model"][1:]]
    if not any(done.result for done in trials):
        raise AssayError(
            f"none of {len(trials)} trials could be trained, so there is no race; the first ended with:\n"
            f"{trials[0].failed}",
            hint="narrow race.space to what train.image_size and the baseline's code can take",
        )


def score(done: Done, metric: str) -> float:
    """What a turn came to on val."""
    assert done.result is not None
    return float(done.result.metrics[CHOSEN_ON][metric]["value"])


def chosen(history: Sequence[Done], metric: str) -> Done:
    """The best on val of what a track has trained so far, the earliest of equals: the same rule for both tracks."""
    sign = named(metric).sign
    return max((done for done in history if done.result), key=lambda done: sign * score(done, metric))
