"""Coverage of the 95 % intervals of `assay attribute`, false alarms on null changes, and power.

Each row is some thousands of attributions of corners with known expectations (benchmarks/corners.py), with 2, 3 or
5 seeds:

    simulated  accuracy; the bootstrap over samples is replaced by its limit for many replicates
               (corners.exact_moments); the rest is the code of `assay.experiments.attribution`
    whole      `assay.experiments.attribution.attribute`, from predictions to verdicts, for each metric
    digits     small networks on real digits with planted wrong labels: seeds and test samples are drawn from many

`coverage` is over all shares; `false_alarm` is the highest rate of a null player; `told` is the power: how often the
interval of the first player leaves out 0. "limits" has settings in which these targets may be missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.experiments import corners as shapley
from assay.experiments.noise import Moments, noise
from assay.metrics.intervals import half_width, p_value
from benchmarks import scenes, whole
from benchmarks.corners import Digits, Simulated, World, exact_moments, train_digits
from benchmarks.figures import Figure
from benchmarks.subjects import Measured, Setting

Row = dict[str, Any]
SEEDS = (2, 3, 5)
SIMULATIONS = 4000
DIGIT_SEEDS = 80
LOWEST, HIGHEST, ALARMS = 0.94, 0.98, 0.06

SIMULATED = {
    "two players, 500 test samples": Simulated({"data": 0.25, "model": 0.0}, 500),
    "two players, 100 test samples": Simulated({"data": 0.4, "model": 0.0}, 100, level=0.5),
    "two players, 5,000 test samples": Simulated({"data": 0.1, "model": 0.0}, 5000, level=1.2),
    "accuracy of 97 %": Simulated({"data": 0.3, "model": 0.0}, 500, level=2.0),
    "seeds far noisier than samples": Simulated(
        {"data": 0.25, "model": 0.0}, 2000, shift=(0.0, 0.0, 0.1), flips=(0.0, 0.0, 0.3)
    ),
    "paired seeds: the same model starts with the same weights": Simulated(
        {"data": 0.25, "model": 0.0}, 1000, shift=(0.02, 0.03, 0.03), flips=(0.1, 0.3, 0.35)
    ),
    "paired seeds: all trainings of a seed move together": Simulated(
        {"data": 0.25, "model": 0.0}, 1000, shift=(0.04, 0.0, 0.04), flips=(0.2, 0.0, 0.4)
    ),
    "without the new data three times the seed noise": Simulated(
        {"data": 0.4, "model": 0.0}, 1000, level=0.7, noisier=3, shift=(0.0, 0.0, 0.04), flips=(0.0, 0.0, 0.3)
    ),
    "three players, data and model interact": Simulated(
        {"data": 0.2, "model": 0.1, "code": 0.0}, 500, interaction=0.25
    ),
    "four players, paired seeds": Simulated(
        {"data": 0.2, "model": 0.0, "added": 0.1, "code": 0.0},
        1000,
        shift=(0.02, 0.03, 0.03),
        flips=(0.1, 0.3, 0.35),
    ),
    "ruler with 5 % of its labels put right and a quarter more samples": Simulated(
        {"data": 0.25, "model": 0.0, "ruler": 0.0}, 400, mislabelled=0.05, added=100
    ),
    "ruler with half as many samples more": Simulated(
        {"data": 0.25, "model": 0.0, "ruler": 0.0}, 400, added=200
    ),
    "one player": Simulated({"data": 0.25}, 500, shift=(0.0, 0.0, 0.03)),
}
"""Players without an effect are null; if no player is null, a world without effects is simulated too."""

LIMITS = {
    "one training of four is unstable: ten times the others' seed noise": Simulated(
        {"data": 0.25, "model": 0.0}, 2000, noisier=10, shift=(0.0, 0.0, 0.02), flips=(0.0, 0.0, 0.1)
    ),
    "a null change that changes next to no prediction": Simulated(
        {"data": 0.25, "model": 0.0}, 500, shift=(0.0, 0.0, 0.003), flips=(0.0, 0.0, 0.05)
    ),
    "all trainings of a seed move together, much": Simulated(
        {"data": 0.25, "model": 0.0}, 1000, shift=(0.1, 0.0, 0.03), flips=(0.0, 0.0, 0.3)
    ),
}


def measure(setting: Setting) -> Measured:
    """Rows of settings × seeds; figures: the lowest and highest coverage, and the highest rate of false alarms."""
    started, rng = process_time(), np.random.default_rng(2027)
    many = 50 if setting.quick else SIMULATIONS
    rows = [row for name, one in SIMULATED.items() for row in _simulated(name, one, many, rng)]
    rows += whole.rows(whole.CLASSES, SEEDS, 50 if setting.quick else 2000, rng)
    rows += _digits(train_digits(4 * max(SEEDS) if setting.quick else DIGIT_SEEDS), many, rng)
    # separate seeds: the rows above do not change
    rows += whole.rows(scenes.BOXES, SEEDS, 5 if setting.quick else 200, np.random.default_rng(2))
    limits = [row for name, one in LIMITS.items() for row in _simulated(name, one, many, rng)]
    # at 2 and 3 seeds the intervals are wider than they need to be
    limits += whole.rows(scenes.MASKS, SEEDS, 20 if setting.quick else 500, np.random.default_rng(1))
    about = {
        "cpu_seconds": round(process_time() - started),
        "lowest_player": "of a row, the player covered least",
    }
    return _figures(rows), {**about, "rows": rows, "limits": limits}


def _simulated(name: str, one: Simulated, many: int, rng: np.random.Generator) -> list[Row]:
    return [_row(f"simulated: {name}", k, one.world(), one.n, many, rng, _null_world(one)) for k in SEEDS]


def _null_world(one: Simulated) -> World | None:
    """The same world without effects, if no player is null; else None."""
    if any(effect == 0 for effect in one.effects.values()):
        return None
    return Simulated(**{**vars(one), "effects": dict.fromkeys(one.effects, 0.0)}).world()


def _digits(found: Digits, many: int, rng: np.random.Generator) -> list[Row]:
    return [
        _row(
            f"digits with 30 % wrong labels, two thirds put right; {n:,} test samples",
            k,
            found.world(n, null=False),
            n,
            many,
            rng,
            found.world(n, null=True),
        )
        for n in (300, 1000)
        for k in SEEDS
    ]


def _row(
    name: str, k: int, world: World, n: int, many: int, rng: np.random.Generator, other: World | None
) -> Row:
    """Coverage in `world`; false alarms of its null players, or of those of `other`."""
    held, told = simulate(world, k, n, many, rng)
    null_told, null = (
        (told, _null(world)) if other is None else (simulate(other, k, n, many, rng)[1], _null(other))
    )
    p = len(world.plan.players)
    return {
        "setting": name,
        "seeds": k,
        "simulations": many,
        "coverage": round(float(held[:, :p].mean()), 4),
        "false_alarm": round(float(null_told[:, :p][:, null].mean(0).max()), 4),
        "lowest_player": round(float(held[:, :p].mean(0).min()), 4),
        "coverage_of_total": round(float(held[:, p].mean()), 4),
        "told": round(float(told[:, 0].mean()), 4),
    }


def simulate(
    world: World, k: int, n: int, many: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(many, players + 1) twice: the interval contains the true value, and it leaves out 0; the total is last."""
    contrasts = np.vstack([shapley.shares(world.plan), shapley.total(world.plan)])
    found = [exact_moments(world.draw(k, rng)) for _ in range(many)]
    names = ("values", "sampled", "shared")
    together = Moments(*(np.stack([getattr(one, name) for one in found]) for name in names))
    spread = noise(contrasts, together, world.trained, 2 / (n + 2) ** 2)
    estimates = together.values.mean(-1) @ contrasts.T
    error = np.abs(estimates - contrasts @ world.truth)
    return error <= half_width(spread), p_value(estimates, spread) < 0.05


def _null(world: World) -> NDArray[np.bool_]:
    return np.abs(shapley.shares(world.plan) @ world.truth) < 1e-12


def _figures(rows: Sequence[Row]) -> list[Figure]:
    coverage = {f"{row['setting']}, {row['seeds']} seeds": row["coverage"] for row in rows}
    alarms = {f"{row['setting']}, {row['seeds']} seeds": row["false_alarm"] for row in rows}
    low, high = (pick(coverage, key=coverage.__getitem__) for pick in (min, max))
    most = max(alarms, key=alarms.__getitem__)
    holds = "95 % interval of a share holds the truth"
    return [
        Figure(f"{holds}, lowest of {len(rows)} rows", coverage[low], "at least", LOWEST, "", {"row": low}),
        Figure(f"{holds}, highest", coverage[high], "at most", HIGHEST, "", {"row": high}),
        Figure(
            "a null change is called helped or hurt, most", alarms[most], "at most", ALARMS, "", {"row": most}
        ),
    ]
