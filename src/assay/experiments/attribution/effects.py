"""The answer: how much each player moved each metric, with an interval and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assay.experiments.needs import Needs

Verdict = Literal["helped", "hurt", "can't tell"]


@dataclass(frozen=True)
class Effect:
    """One number with its 95 % interval. `value` lies on a grid, so that sums of effects are exact."""

    value: float
    low: float
    high: float
    p_value: float
    verdict: Verdict
    needs: Needs | None
    """Where the verdict is "can't tell"."""
    seeds_sd: float | None
    """Standard error due to the seeds; None: one seed only."""
    samples_sd: float
    """Standard error due to the finite test set."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Share(Effect):
    """The Shapley value of one player."""

    player: str
    permutation_error: float | None
    """Standard error of having drawn some orders only; None: exact. It is in the interval."""


@dataclass(frozen=True)
class Conditional(Effect):
    """What one player of a pair does while the other is as in A, or as in B."""

    player: str
    other: str
    other_from: Literal["A", "B"]


@dataclass(frozen=True)
class Interaction(Effect):
    """What two players do together beyond what each does alone (half of it is in the share of each)."""

    players: tuple[str, str]
    conditional: tuple[Conditional, ...]
    """Each of the two with the other from A, and from B."""


@dataclass(frozen=True)
class Decomposition:
    """One metric: a + all shares = b and the shares sum to total.value, to the last bit and in any order."""

    metric: str
    category: str | None
    """Of a metric per class."""
    higher_is_better: bool
    a: float
    """Mean over the seeds."""
    b: float
    total: Effect
    shares: tuple[Share, ...]
    interactions: tuple[Interaction, ...]
    """Of all pairs; none where orders were drawn."""
    noise_floor: float
    """Half the width of the total's interval: a change of A into B below it cannot be told from noise."""
    seed_noise: float | None
    """Standard deviation of the metric between runs that differ in the seed only; None: one seed only."""

    @property
    def name(self) -> str:
        return f"{self.metric} of {self.category}" if self.category is not None else self.metric

    def share(self, player: str) -> Share:
        return next(share for share in self.shares if share.player == player)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Attribution:
    """All metrics, and what they were measured on."""

    players: tuple[str, ...]
    seeds: int
    corners: int
    samples: int
    """Test samples, those of both rulers together."""
    orders: int
    """Drawn orders of the players; 0: the shares are exact."""
    replicates: int
    metrics: dict[str, Decomposition]
    classes: dict[str, dict[str, Decomposition]]
    """{category: {"recall": …, "f1": …}} of the categories asked for that every ruler holds."""
    inert: tuple[str, ...]
    """Players that changed no prediction and no label, with any seed: their shares are zero."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def everything(self) -> Sequence[Decomposition]:
        return [*self.metrics.values(), *(one for rows in self.classes.values() for one in rows.values())]
