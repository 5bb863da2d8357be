"""Seeds and test samples that an experiment needs to detect an effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.metrics.intervals import Noise, half_width

MOST_SEEDS = 50
MOST_TIMES = 100
"""Largest multiple of the present test samples that is considered."""
POWER = 0.8416
"""80 % quantile of the normal distribution: the power."""


@dataclass(frozen=True)
class Needs:
    """Totals that would detect an effect of the estimated size with a power of 80 %."""

    seeds: int | None
    """Seeds, with the present test samples; None: more than MOST_SEEDS, or unknown."""
    samples: int | None
    """Test samples, with the present seeds; None: more than MOST_TIMES the present ones, or unknown."""
    mix: tuple[int, int] | None
    """(seeds, test samples) at the least cost; None likewise."""
    told: str
    """The mix as text."""


def needs(value: float, noise: Noise, seeds: int, samples: int, trained: bool = True) -> Needs:
    """Seeds and test samples that would detect an effect of size `value`: each alone, and the cheapest mix.

    Doubling the seeds counts as much as doubling the test samples. `trained`: the effect is one between trainings, for
    which at least 2 seeds are needed.
    """
    if trained and seeds < 2:
        return _nothing("the noise of seeds cannot be estimated from one seed: run at least 2, better 3")
    if value == 0:
        return _nothing("it made no difference that can be measured")
    k = np.arange(seeds, max(seeds, MOST_SEEDS) + 1)
    n = np.unique(np.round(np.geomspace(1, MOST_TIMES, 80) * samples))
    larger = _larger(noise, k[:, None] / seeds, n / samples, k[:, None] - seeds)
    tells = half_width(larger) + POWER * np.sqrt(larger.variance) <= abs(value)
    tells[0, 0] = False  # the present numbers did not detect it
    mix = _cheapest(tells, k[:, None] / seeds + n / samples)
    found = (int(k[mix[0]]), int(n[mix[1]])) if mix else None
    return Needs(_first(k, tells[:, 0]), _first(n, tells[0]), found, _told(found, seeds, samples))


def _nothing(told: str) -> Needs:
    return Needs(None, None, None, told)


def _larger(noise: Noise, seeds: np.ndarray, samples: np.ndarray, more: np.ndarray) -> Noise:
    """The noise with `seeds` times the seeds (`more` additional ones) and `samples` times the test samples.

    The seed × sample part of the seeds' variance falls with both.
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
    """Row and column of the least cost among the True cells of `tells`; of equal costs, the fewest seeds."""
    if not tells.any():
        return None
    row, column = np.unravel_index(np.argmin(np.where(tells, cost, np.inf)), tells.shape)
    return int(row), int(column)


def _first(amounts: np.ndarray, tells: np.ndarray) -> int | None:
    return int(amounts[np.argmax(tells)]) if tells.any() else None


def _told(mix: tuple[int, int] | None, seeds: int, samples: int) -> str:
    if mix is None:
        return (
            f"not even {MOST_SEEDS} seeds with {MOST_TIMES} times the {samples:,} test samples would suffice"
        )
    parts = [f"{mix[0]} seeds"] * (mix[0] > seeds) + [f"{mix[1]:,} test samples"] * (mix[1] > samples)
    return f"{' and '.join(parts)} would suffice, if the effect is as large as estimated"
