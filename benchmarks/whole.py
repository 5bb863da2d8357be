"""Attributions from predictions to verdicts by `assay.experiments.attribution.attribute`, for every metric.

A scene is a task: distributions of test samples and of predictions. The player data improves them; model is null.
The true effect is the difference of the means over many seeds and samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.experiments.attribution import Corner, CornerOutcome, attribute, plan
from assay.metrics.classification import METRICS, Classified
from assay.metrics.judged import Judged

PLAYERS = ("data", "model")
REPLICATES = 200


@dataclass(frozen=True)
class Scene:
    """Distributions of test samples and of their predictions."""

    name: str
    metrics: tuple[str, ...]
    samples: int
    test: Callable[[int, np.random.Generator], Any]
    """Draws n test samples."""
    judged: Callable[[bool, Any, np.random.Generator], Judged]
    """Predictions of one training, with the new data or without, on test samples; each call is another seed."""
    expected_from: tuple[int, int]
    """Numbers of seeds and samples for the expectations."""


def rows(scene: Scene, seeds: Sequence[int], many: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One row for each metric and number of seeds."""
    truth = expected(scene, rng)
    found = []
    for k in seeds:
        held: dict[str, list[list[bool]]] = {name: [] for name in scene.metrics}
        told: dict[str, list[list[bool]]] = {name: [] for name in scene.metrics}
        for _ in range(many):
            outcomes = draw(scene, k, rng)
            result = attribute(PLAYERS, outcomes, replicates=REPLICATES, seed=int(rng.integers(1 << 31)))
            for name, one in result.metrics.items():
                effects = [*one.shares, one.total]
                right = [truth[name], 0.0, truth[name]]
                held[name].append([e.low <= t <= e.high for e, t in zip(effects, right, strict=True)])
                told[name].append([e.verdict != "can't tell" for e in effects])
        found += [_row(scene, name, k, np.array(held[name]), np.array(told[name])) for name in scene.metrics]
    return sorted(found, key=lambda row: scene.metrics.index(row["metric"]))


def draw(scene: Scene, k: int, rng: np.random.Generator) -> dict[Corner, list[CornerOutcome]]:
    """One experiment."""
    test = scene.test(scene.samples, rng)
    ids = np.array([f"{i:06d}" for i in range(scene.samples)])
    return {
        corner: [CornerOutcome(ids, scene.judged("data" in corner, test, rng)) for _ in range(k)]
        for corner in plan(PLAYERS).corners
    }


def expected(scene: Scene, rng: np.random.Generator) -> dict[str, float]:
    """Effect of the new data on each metric, from many seeds and samples."""
    seeds, n = scene.expected_from
    sums: dict[str, float] = dict.fromkeys(scene.metrics, 0.0)
    for _ in range(seeds):
        test, state = scene.test(n, rng), rng.integers(1 << 31)
        for better, sign in (
            (True, 1),
            (False, -1),
        ):  # the same noise for both: the difference has less variance
            values = scene.judged(better, test, np.random.default_rng(state)).values()
            for name in scene.metrics:
                sums[name] += sign * float(values[name][0]) / seeds
    return sums


def _row(scene: Scene, name: str, k: int, held: NDArray[np.bool_], told: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "setting": f"whole: {name.replace('_', ' ')}, {scene.name}; {scene.samples} test samples",
        "metric": name,
        "seeds": k,
        "simulations": len(held),
        "coverage": round(float(held[:, :2].mean()), 4),
        "false_alarm": round(float(told[:, 1].mean()), 4),
        "lowest_player": round(float(held[:, :2].mean(0).min()), 4),
        "coverage_of_total": round(float(held[:, 2].mean()), 4),
        "told": round(float(told[:, 0].mean()), 4),
    }


SHARES = (0.4, 0.3, 0.24, 0.06)
AHEAD = {False: 1.6, True: 2.0}
"""Margin of the true class, without and with the new data, in logits."""
SHIFT, FLIPS = 0.05, 0.6
Sampled = tuple[NDArray[np.int64], NDArray[np.float64]]
"""True classes, and difficulties of the samples."""


def sampled(n: int, rng: np.random.Generator) -> Sampled:
    return rng.choice(len(SHARES), n, p=SHARES), rng.standard_normal((n, len(SHARES)))


def classified(better: bool, test: Sampled, rng: np.random.Generator) -> Classified:
    """Predictions from random logits: margin of the true class, difficulty of the sample, noise of the seed."""
    targets, difficulty = test
    logits = difficulty + FLIPS * rng.standard_normal(difficulty.shape)
    ahead = AHEAD[better] + SHIFT * rng.standard_normal()
    logits[np.arange(len(targets)), targets] += ahead
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return Classified((powers / powers.sum(1, keepdims=True)).astype(np.float32), targets)


CLASSES = Scene("four classes, one of 6 %", METRICS, 400, sampled, classified, (300, 20_000))
