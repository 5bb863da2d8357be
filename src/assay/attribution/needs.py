"""How many seeds or test samples would tell."""

from __future__ import annotations

import numpy as np

from assay.attribution.effects import Needs
from assay.attribution.intervals import Noise, half_width

MOST_SEEDS = 50
MOST_TIMES = 100
"""Test samples: this many times those that there are."""
POWER = 0.8416
"""Four times of five."""


def needs(value: float, noise: Noise, seeds: int, samples: int, trained: bool = True) -> Needs:
    """The fewest seeds alone, and the fewest test samples alone, that would tell an effect as large as `value`.

    trained: the effect is one between trainings, so that one seed does not do.
    """
    if trained and seeds < 2:
        return Needs(None, None, "one seed says nothing about the noise of seeds: run at least 2, better 3")
    if value == 0:
        return Needs(None, None, "it changed nothing that could be measured")
    more_seeds = np.arange(seeds + 1, MOST_SEEDS + 1)
    times = np.unique(np.round(np.geomspace(1, MOST_TIMES, 80) * samples)) / samples
    k = _first(value, _with_seeds(noise, seeds, more_seeds), more_seeds)
    f = _first(value, _with_samples(noise, times), times)
    n = int(np.ceil(f * samples)) if f is not None else None
    return Needs(int(k) if k is not None else None, n, _told(k, n, seeds, samples))


def _with_seeds(noise: Noise, k: int, seeds: np.ndarray) -> Noise:
    """The noise with other numbers of seeds."""
    return Noise(
        noise.seeds * k / seeds,
        noise.freedom + (seeds - k),
        np.full(len(seeds), noise.samples),
        noise.both * k / seeds,
        noise.orders,
        noise.orders_freedom,
    )


def _with_samples(noise: Noise, times: np.ndarray) -> Noise:
    """The noise with `times` the samples: what of the seeds' noise is seed × sample noise shrinks too."""
    return Noise(
        noise.seeds - noise.both + noise.both / times,
        np.full(len(times), noise.freedom),
        noise.samples / times,
        noise.both / times,
        noise.orders,
        noise.orders_freedom,
    )


def _first(value: float, noise: Noise, amounts: np.ndarray) -> float | None:
    """The first of growing amounts with which four times of five the interval would leave zero out."""
    if not len(amounts):
        return None
    enough = half_width(noise) + POWER * np.sqrt(noise.variance) <= abs(value)
    return float(amounts[np.argmax(enough)]) if enough.any() else None


def _told(k: float | None, n: int | None, seeds: int, samples: int) -> str:
    if k is None and n is None:
        return (
            "no reasonable number of seeds or test samples would tell: "
            f"more than {MOST_SEEDS} seeds, or {MOST_TIMES} times the {samples:,} test samples"
        )
    if n is None or (k is not None and k / seeds <= n / samples):
        return f"{int(k or 0)} seeds would tell, if the effect is as large as it looks"
    return f"{n:,} test samples would tell, if the effect is as large as it looks"
