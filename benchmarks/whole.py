"""Attributions from probabilities to verdicts, by `assay.experiments.attribution.attribute` itself, for every metric.

Four classes, one of them rare (6 %). A network is its logits: how far the right class is ahead, the sample's
difficulty, and the seed's noise. data puts the right class further ahead; model is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.experiments.attribution import Corner, CornerOutcome, attribute, plan
from assay.metrics.classification import METRICS, Classified, values_of

SHARES = (0.4, 0.3, 0.24, 0.06)
AHEAD = {False: 1.6, True: 2.0}
"""Without and with the new data."""
SHIFT, FLIPS = 0.05, 0.6
SAMPLES, REPLICATES = 400, 200
EXPECTED_FROM = (300, 20_000)
"""Seeds and samples that the expectations are computed from."""
PLAYERS = ("data", "model")


def rows(seeds: Sequence[int], many: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One row for each metric and number of seeds."""
    truth = expected(rng)
    found = []
    for k in seeds:
        held: dict[str, list[list[bool]]] = {name: [] for name in METRICS}
        told: dict[str, list[list[bool]]] = {name: [] for name in METRICS}
        for _ in range(many):
            result = attribute(PLAYERS, draw(k, rng), replicates=REPLICATES, seed=int(rng.integers(1 << 31)))
            for name, one in result.metrics.items():
                effects = [*one.shares, one.total]
                right = [truth[name], 0.0, truth[name]]
                held[name].append([e.low <= t <= e.high for e, t in zip(effects, right, strict=True)])
                told[name].append([e.verdict != "can't tell" for e in effects])
        found += [_row(name, k, np.array(held[name]), np.array(told[name])) for name in METRICS]
    return sorted(found, key=lambda row: METRICS.index(row["metric"]))


def draw(k: int, rng: np.random.Generator) -> dict[Corner, list[CornerOutcome]]:
    """One experiment."""
    targets = rng.choice(len(SHARES), SAMPLES, p=SHARES)
    difficulty = rng.standard_normal((SAMPLES, len(SHARES)))
    ids = np.array([f"{i:06d}" for i in range(SAMPLES)])
    return {
        corner: [CornerOutcome(ids, judged("data" in corner, targets, difficulty, rng)) for _ in range(k)]
        for corner in plan(PLAYERS).corners
    }


def judged(
    better: bool, targets: NDArray[np.int64], difficulty: NDArray[np.float64], rng: np.random.Generator
) -> Classified:
    """One training with a seed of its own."""
    logits = difficulty + FLIPS * rng.standard_normal(difficulty.shape)
    ahead = AHEAD[better] + SHIFT * rng.standard_normal()
    logits[np.arange(len(targets)), targets] += ahead
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return Classified((powers / powers.sum(1, keepdims=True)).astype(np.float32), targets)


def expected(rng: np.random.Generator) -> dict[str, float]:
    """What the new data do to each metric, over seeds and samples: from very many."""
    seeds, n = EXPECTED_FROM
    sums: dict[str, float] = dict.fromkeys(METRICS, 0.0)
    for _ in range(seeds):
        targets = rng.choice(len(SHARES), n, p=SHARES)
        difficulty = rng.standard_normal((n, len(SHARES)))
        state = rng.integers(1 << 31)
        for better, sign in ((True, 1), (False, -1)):  # the same noise for both: only their difference counts
            terms = judged(better, targets, difficulty, np.random.default_rng(state)).terms
            values = values_of(terms.sum(0, keepdims=True, dtype=np.float64), len(SHARES))
            for name in METRICS:
                sums[name] += sign * float(values[name][0]) / seeds
    return sums


def _row(name: str, k: int, held: NDArray[np.bool_], told: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "setting": f"whole: {name.replace('_', ' ')}, four classes, one of 6 %; {SAMPLES} test samples",
        "metric": name,
        "seeds": k,
        "simulations": len(held),
        "coverage": round(float(held[:, :2].mean()), 4),
        "false_alarm": round(float(told[:, 1].mean()), 4),
        "lowest_player": round(float(held[:, :2].mean(0).min()), 4),
        "coverage_of_total": round(float(held[:, 2].mean()), 4),
        "told": round(float(told[:, 0].mean()), 4),
    }
