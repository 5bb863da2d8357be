"""Results of both tracks after each step: curves, intervals, costs, and the verdict.

The intervals are computed as for an attribution (`assay.experiments.noise`), with a track after a step, a place, as
corner: they carry the noise of the seeds and of the finite test set. Each seed is a separate race, so its noise is that
of training, of the draws and of the search. On simulated races (best on val so far, 150 to 2,000 test images; 600 races
a setting) the 95 % interval of the final difference contained the truth in 94 to 97 % at 2, 3 and 5 seeds; Student's t
on the differences of the seeds in 87 to 96 %, with intervals up to three times as wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from assay.experiments.cells import CellResult
from assay.experiments.corner_metrics import CornerMetric, CornerOutcome, measure, rulers
from assay.experiments.corners import Corner, Design
from assay.experiments.needs import needs
from assay.experiments.noise import Trainings, moments, noise, trainings
from assay.experiments.predicted import Predicted
from assay.experiments.race.training_order import (
    CHOSEN_ON,
    TRACKS,
    RaceResult,
    SeedRace,
    Track,
    chosen,
    score,
)
from assay.metrics.intervals import Noise, half_width, p_value
from assay.metrics.table import named

Floats = NDArray[np.float64]
REPLICATES = 1000


@dataclass(frozen=True)
class ContrastColumns:
    """Columns of a contrast: the baseline, then the steps of each track."""

    steps: int

    def __len__(self) -> int:
        return 1 + len(TRACKS) * self.steps

    def at(self, track: Track, step: int) -> int:
        return 0 if step == 0 else 1 + TRACKS.index(track) * self.steps + step - 1

    def corners(self) -> tuple[Corner, ...]:
        names = ["baseline", *(f"{track} {step}" for track in TRACKS for step in range(1, self.steps + 1))]
        return tuple(frozenset([name]) for name in names)

    def contrast(self, *signed: tuple[float, Track, int]) -> Floats:
        row = np.zeros(len(self))
        for sign, track, step in signed:
            row[self.at(track, step)] += sign
        return row


def race_standing(races: Sequence[SeedRace], metric: str, categories: Sequence[str]) -> dict[str, Any]:
    """The result of a race, JSON-able. Estimates are {"value", "low", "high", "p_value"}."""
    columns = ContrastColumns(len(races[0].done["data"]) - 1)
    found, trained = _measured(races, metric, categories, columns)
    primary = next(MetricStanding(one, trained) for one in found if one.name == metric)
    n = {split: _samples(races[0].done["data"][0].result, split) for split in ("test", CHOSEN_ON)}
    tracks = {track: _curve(races, track, primary, columns, metric) for track in TRACKS}
    last = columns.contrast((1, "data", columns.steps), (-1, "model", columns.steps))
    ahead = primary.estimates(last[None])[0]
    return {
        "metric": metric,
        "higher_is_better": named(metric).higher_is_better,
        "samples": n,
        "seeds": [seed_race.seed for seed_race in races],
        "steps": columns.steps,
        "tracks": tracks,
        "difference": _differences(primary, columns),
        "final": {
            **{track: tracks[track][-1]["gain"] for track in TRACKS},
            "difference": ahead,
            "of_each_metric": {
                one.name: MetricStanding(one, trained).estimates(last[None])[0] for one in found
            },
        },
        "winner": winner(ahead, metric),
        "needs": _needs(primary, last, ahead, len(races), n["test"]),
        "runs": [row for seed_race in races for row in _rows(seed_race, metric)],
    }


def winner(ahead: dict[str, float], metric: str) -> Track | None:
    """The better track; None if the interval of data − model contains 0."""
    if ahead["low"] <= 0 <= ahead["high"]:
        return None
    return "data" if (ahead["value"] > 0) == named(metric).higher_is_better else "model"


@dataclass(frozen=True)
class MetricStanding:
    """One metric at all columns."""

    one: CornerMetric
    trained: Trainings
    """Which columns share a training."""

    def estimates(self, contrasts: Floats) -> list[dict[str, float]]:
        """Value, interval and p of contrasts (q, columns) of the mean over the seeds."""
        values, found = (contrasts @ self.one.values).mean(1), self.noise(contrasts)
        rows = zip(values, half_width(found), p_value(values, found), strict=True)
        return [
            {"value": _six(v), "low": _six(v - q), "high": _six(v + q), "p_value": _six(p)}
            for v, q, p in rows
        ]

    def noise(self, contrasts: Floats) -> Noise:
        return noise(contrasts, moments(self.one.values, self.one.drawn), self.trained, self.one.floor)


def _needs(one: MetricStanding, row: Floats, ahead: dict[str, float], seeds: int, samples: int) -> str | None:
    if not ahead["low"] <= 0 <= ahead["high"]:
        return None
    found = one.noise(row[None])
    single = Noise(*(np.asarray(part)[0] for part in (found.seeds, found.freedom, found.samples, found.both)))
    return needs(ahead["value"], single, seeds, samples).told


def _measured(
    races: Sequence[SeedRace], metric: str, categories: Sequence[str], columns: ContrastColumns
) -> tuple[list[CornerMetric], Trainings]:
    """Every metric in every column for every seed, on one test set; and which columns share a training."""
    plan = Design((), columns.corners())
    spots: list[tuple[Track, int]] = [
        ("data", 0),
        *((track, step) for track in TRACKS for step in range(1, columns.steps + 1)),
    ]
    outcomes = {
        corner: [
            _outcome(chosen(seed_race.done[track][: step + 1], metric), categories) for seed_race in races
        ]
        for corner, (track, step) in zip(plan.corners, spots, strict=True)
    }
    found = list(measure(plan, outcomes, rulers(plan, outcomes), (), REPLICATES, 0))
    return found, compared(trainings(plan, outcomes, ""))


def compared(trained: Trainings) -> Trainings:
    """`trained` with contrasts that the ratio of the noise is pooled over, in place of shares, which a race has not.

    They are the mean of all trainings and an orthonormal basis of the differences between trainings.
    """
    u = len(trained.members)
    loads = np.vstack([np.full((1, u), u**-0.5), helmert(u)]) if u > 1 else np.ones((1, 1))
    return Trainings(trained.members, loads @ (trained.members / trained.members.sum(1, keepdims=True)))


def _outcome(done: RaceResult, categories: Sequence[str]) -> CornerOutcome:
    assert done.result is not None
    task = done.turn.cell.parsed.task
    return Predicted(done.result.predictions, tuple(categories), task).on_test(categories)


def _curve(
    races: Sequence[SeedRace], track: Track, one: MetricStanding, columns: ContrastColumns, metric: str
) -> list[dict[str, Any]]:
    """A point for each step, the baseline first: metric, gain over the baseline, cost so far."""
    steps = range(columns.steps + 1)
    levels = one.estimates(np.array([columns.contrast((1, track, s)) for s in steps]))
    gains = one.estimates(np.array([columns.contrast((1, track, s), (-1, track, 0)) for s in steps]))
    top = 1.0 if named(metric).is_share else np.inf
    points = []
    for step, level, gain in zip(steps, levels, gains, strict=True):
        bounds = {"low": max(level["low"], 0.0), "high": min(level["high"], top)}
        points.append({"step": step, **level, **bounds, "gain": gain, "cost": _cost(races, track, step)})
    return points


def _cost(races: Sequence[SeedRace], track: Track, step: int) -> dict[str, float]:
    """Cost of the steps up to `step`, mean over the seeds: labels asked for, minutes of training."""
    spent = [seed_race.done[track][1 : step + 1] for seed_race in races]
    return {
        "labels": _mean([sum(done.turn.about.get("labels", 0) for done in rows) for rows in spent]),
        "reviews": _mean([sum(done.turn.about.get("reviews", 0) for done in rows) for rows in spent]),
        "corrected": _mean([sum(done.turn.about.get("corrected", 0) for done in rows) for rows in spent]),
        "minutes": _mean([sum(done.result.seconds for done in rows if done.result) / 60 for rows in spent]),
    }


def _differences(one: MetricStanding, columns: ContrastColumns) -> list[dict[str, Any]]:
    """Data − model after each step."""
    steps = range(1, columns.steps + 1)
    rows = np.array([columns.contrast((1, "data", step), (-1, "model", step)) for step in steps])
    return [{"step": step, **row} for step, row in zip(steps, one.estimates(rows), strict=True)]


def _rows(seed_race: SeedRace, metric: str) -> list[dict[str, Any]]:
    """Every training of a seed, with the training kept after it."""
    rows = []
    for track in TRACKS:
        history = seed_race.done[track]
        for step, done in enumerate(history):
            if step == 0 and track != TRACKS[0]:
                continue
            rows.append(
                {
                    "track": done.turn.track,
                    "step": step,
                    "seed": seed_race.seed,
                    "key": done.turn.cell.key,
                    "about": done.turn.about,
                    "val": score(done, metric) if done.result else None,
                    "test": done.result.metrics["test"][metric]["value"] if done.result else None,
                    "stands_by": chosen(history[: step + 1], metric).turn.step,
                    "seconds": round(done.result.seconds, 1) if done.result else None,
                    "trained": bool(done.result and done.result.trained),
                    "failed": done.failed,
                }
            )
    return rows


def _samples(result: CellResult | None, split: str) -> int:
    assert result is not None
    return int(np.sum(np.array(result.predictions["split"].to_pylist()) == split))


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3)


def _six(value: float) -> float:
    return round(float(value), 6) + 0.0
