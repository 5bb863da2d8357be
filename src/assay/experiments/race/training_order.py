"""Both tracks, step by step, for several seeds. Every training is a cell, so cached ones cost nothing.

Each seed is a separate race, with its own trainings, folds, draws and search. All decisions are functions of the seed
and of the metric on val: a race that was killed repeats the same trainings when restarted and finds them cached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assay.errors import AssayError
from assay.experiments.cells import Cell, CellResult
from assay.experiments.race import data_track, space
from assay.experiments.race.answers import Answers
from assay.experiments.race.data_track import BaselineData, Budget, TrackLabels
from assay.experiments.race.model_track import Search
from assay.metrics.table import named
from assay.params import Race
from assay.progress import Progress, silent

Track = Literal["data", "model"]
TRACKS: tuple[Track, ...] = ("data", "model")
CHOSEN_ON = "val"
"""The split that both tracks choose models by; a model chosen on test could not be measured on test."""


@dataclass(frozen=True)
class RaceTraining:
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
class RaceResult:
    """A turn and its result; None if these params cannot be trained, with the reason in `failed`."""

    turn: RaceTraining
    result: CellResult | None
    failed: str = ""


Execute = Callable[[Sequence[RaceTraining]], list[RaceResult]]


@dataclass(frozen=True)
class RaceSetup:
    """Inputs of a race."""

    baseline: Cell
    """The cell of the baseline; its seed is replaced by that of each race."""
    data: BaselineData
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
class SeedRace:
    """State of the race of one seed: the turns of each track so far."""

    setup: RaceSetup
    seed: int
    search: Search
    labels: TrackLabels
    done: dict[Track, list[RaceResult]] = field(default_factory=lambda: {"data": [], "model": []})
    """Turns by track, step 0 (the baseline) first."""

    def baseline(self) -> RaceTraining:
        return RaceTraining("baseline", 0, self.seed, self._cell())

    def data_turn(self, step: int) -> RaceTraining:
        data = self.setup.data
        chance = self.seed * 1000 + step
        self.labels, asked = data_track.step(self.labels, data, self.setup.answers, self.setup.budget, chance)
        cell = self._cell(train=data_track.table(self.labels, data))
        return RaceTraining("data", step, self.seed, cell, asked.to_json())

    def model_turn(self, step: int) -> RaceTraining:
        tried = self.search.ask()
        return RaceTraining("model", step, self.seed, self._cell(tried), tried)

    def take(self, done: RaceResult) -> None:
        """Record the result of a turn; the search gets the score of its own trials."""
        if done.turn.track == "baseline":
            for track in TRACKS:
                self.done[track].append(done)
            self.search.tell_baseline(score(done, self.setup.metric))
        else:
            self.done[done.turn.track].append(done)
        if done.turn.track == "model":
            self.search.tell(score(done, self.setup.metric) if done.result else None)

    def _cell(self, tried: dict[str, Any] | None = None, train: Any = None) -> Cell:
        base = self.setup.baseline
        params = space.apply(tried or {}, {**base.params, "seed": self.seed})
        return Cell(base.code, params, base.train if train is None else train, base.ruler)


def seed_races(setup: RaceSetup) -> list[SeedRace]:
    """One for each seed, before the first step."""
    choices = space.resolve(setup.race.space, setup.baseline.parsed)
    own = setup.baseline.parsed
    return [
        SeedRace(setup, seed, Search(choices, own, seed, setup.maximise), data_track.beginning(setup.data))
        for seed in setup.seeds
    ]


def run(setup: RaceSetup, execute: Execute, progress: Progress = silent) -> list[SeedRace]:
    """Run all steps. The trainings of one step are independent: `execute` may run them in parallel."""
    races = seed_races(setup)
    by_seed = {seed_race.seed: seed_race for seed_race in races}

    def take(turns: Sequence[RaceTraining]) -> None:
        for done in execute(turns):
            by_seed[done.turn.seed].take(done)

    progress.say(f"baseline: {len(races)} seeds")
    take([seed_race.baseline() for seed_race in races])
    for step in range(1, setup.race.steps + 1):
        progress.say(f"step {step} of {setup.race.steps}: choosing labels and params")
        turns = [seed_race.data_turn(step) for seed_race in races]
        take(turns + [seed_race.model_turn(step) for seed_race in races])
        refuse_hopeless(races)
    return races


def refuse_hopeless(races: Sequence[SeedRace]) -> None:
    """AssayError if no trial of any seed could be trained: without a model track there is no comparison."""
    trials = [done for seed_race in races for done in seed_race.done["model"][1:]]
    if not any(done.result for done in trials):
        raise AssayError(
            f"none of the {len(trials)} trials of the model track could be trained; the first ended with:\n"
            f"{trials[0].failed}",
            hint="narrow race.space to what train.image_size and the code of the baseline support",
        )


def score(done: RaceResult, metric: str) -> float:
    """Metric of a turn on val."""
    assert done.result is not None
    return float(done.result.metrics[CHOSEN_ON][metric]["value"])


def chosen(history: Sequence[RaceResult], metric: str) -> RaceResult:
    """The turn of a track that is best on val so far, of equal ones the earliest; the same rule for both tracks."""
    sign = named(metric).sign
    return max((done for done in history if done.result), key=lambda done: sign * score(done, metric))
