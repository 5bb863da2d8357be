"""Results of an attribution: effects of the players on the metrics, with intervals and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assay.experiments.needs import Needs

Verdict = Literal["helped", "hurt", "can't tell"]


@dataclass(frozen=True)
class Effect:
    """An effect with its 95 % interval. `value` lies on a grid, so that sums of effects are exact."""

    value: float
    low: float
    high: float
    p_value: float
    verdict: Verdict
    needs: Needs | None
    """Only with the verdict "can't tell"."""
    seeds_sd: float | None
    """Standard error due to the seeds; None with one seed."""
    samples_sd: float
    """Standard error due to the finite test set."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Share(Effect):
    """The Shapley value of one player."""

    player: str
    permutation_error: float | None
    """Standard error of drawing orders, part of the interval; None: the share is exact."""


@dataclass(frozen=True)
class Conditional(Effect):
    """Effect of one player of a pair with the other from A, or from B."""

    player: str
    other: str
    other_from: Literal["A", "B"]


@dataclass(frozen=True)
class Interaction(Effect):
    """Joint effect of two players beyond the sum of their single effects; half of it is in the share of each."""

    players: tuple[str, str]
    conditional: tuple[Conditional, ...]
    """Effects of each player with the other from A, and from B."""


@dataclass(frozen=True)
class Decomposition:
    """One metric. a + Σ shares = b and Σ shares = total.value hold exactly, in any order of summation."""

    metric: str
    category: str | None
    """Class of a metric per class; None: over all classes."""
    higher_is_better: bool
    a: float
    """Mean over the seeds."""
    b: float
    total: Effect
    shares: tuple[Share, ...]
    interactions: tuple[Interaction, ...]
    """Of all pairs; empty if orders were drawn."""
    noise_floor: float
    """Half the width of the interval of the total: smaller changes from A to B are not significant."""
    seed_noise: float | None
    """Standard deviation of the metric over seeds; None with one seed."""

    @property
    def name(self) -> str:
        return f"{self.metric} of {self.category}" if self.category is not None else self.metric

    def share(self, player: str) -> Share:
        return next(share for share in self.shares if share.player == player)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Attribution:
    """All metrics, and the numbers of seeds and samples behind them."""

    players: tuple[str, ...]
    seeds: int
    corners: int
    samples: int
    """Test samples in the union of both test sets."""
    orders: int
    """Orders drawn; 0: the shares are exact."""
    replicates: int
    metrics: dict[str, Decomposition]
    classes: dict[str, dict[str, Decomposition]]
    """{category: {metric: …}} of the requested categories that occur in every test set."""
    inert: tuple[str, ...]
    """Players that change no prediction and no label, for any seed: their shares are 0."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def everything(self) -> Sequence[Decomposition]:
        return [*self.metrics.values(), *(one for rows in self.classes.values() for one in rows.values())]
