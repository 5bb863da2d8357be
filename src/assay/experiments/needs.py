"""How many seeds and test samples would tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.metrics.intervals import Noise, half_width

MOST_SEEDS = 50
MOST_TIMES = 100
"""Test samples: this many times those that there are."""
POWER = 0.8416
"""Four times of five."""


@dataclass(frozen=True)
class Needs:
    """What it would take to tell an effect of the size that was seen from nothing, four times of five."""

    seeds: int | None
    """Seeds in all, with the test samples that there are; None: more than a reasonable number, or not known."""
    samples: int | None
    """Test samples in all, with the seeds that there are; likewise."""
    mix: tuple[int, int] | None
    """(seeds, test samples) in all that would tell at the least cost."""
    told: str
    """The mix, as a sentence."""


def needs(value: float, noise: Noise, seeds: int, samples: int, trained: bool = True) -> Needs:
    """The seeds and test samples that would tell an effect as large as `value`: each alone, and the cheapest mix.

    Twice the seeds cost as much as twice the test samples. trained: the effect is one between trainings, so that one
    seed does not do.
    """
    if trained and seeds < 2:
        return _nothing("one seed says nothing about the noise of seeds: run at least 2, better 3")
    if value == 0:
        return _nothing("it changed nothing that could be measured")
    k = np.arange(seeds, max(seeds, MOST_SEEDS) + 1)
    n = np.unique(np.round(np.geomspace(1, MOST_TIMES, 80) * samples))
    larger = _larger(noise, k[:, None] / seeds, n / samples, k[:, None] - seeds)
    tells = half_width(larger) + POWER * np.sqrt(larger.variance) <= abs(value)
    tells[0, 0] = False  # what there is did not tell
    mix = _cheapest(tells, k[:, None] / seeds + n / samples)
    found = (int(k[mix[0]]), int(n[mix[1]])) if mix else None
    return Needs(_first(k, tells[:, 0]), _first(n, tells[0]), found, _told(found, seeds, samples))


def _nothing(told: str) -> Needs:
    return Needs(None, None, None, told)


def _larger(noise: Noise, seeds: np.ndarray, samples: np.ndarray, more: np.ndarray) -> Noise:
    """The noise with `seeds` times the seeds, `more` of them, and `samples` times the test samples.

    The part of the seeds' noise that is seed × sample noise shrinks with both.
    """
    return Noise(
        seeds=(noise.seeds - noise.both + noise.both / samples) / seeds,
        freedom=noise.freedom + more + 0 * samples,
        samples=noise.samples / samples + 0 * seeds,
        both=noise.both / samples / seeds,
        orders=noise.orders,
        orders_freedom=noise.orders_freedom,
    )


def _cheapest(tells: np.ndarray, cost: np.ndarray) -> tuple[int, int] | None:
    """Row and column of the least cost where it tells; the fewest seeds of those that cost the same."""
    if not tells.any():
        return None
    row, column = np.unravel_index(np.argmin(np.where(tells, cost, np.inf)), tells.shape)
    return int(row), int(column)


def _first(amounts: np.ndarray, tells: np.ndarray) -> int | None:
    return int(amounts[np.argmax(tells)]) if tells.any() else None


def _told(mix: tuple[int, int] | None, seeds: int, samples: int) -> str:
    if mix is None:
        return f"not even {MOST_SEEDS} seeds with {MOST_TIMES} times the {samples:,} test samples would tell"
    parts = [f"{mix[0]} seeds"] * (mix[0] > seeds) + [f"{mix[1]:,} test samples"] * (mix[1] > samples)
    return f"{' and '.join(parts)} would tell, if the effect is as large as it looks"
