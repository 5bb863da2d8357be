"""Shares with intervals and verdicts from the predictions of the corners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.experiments import corners as shapley
from assay.experiments.attribution.effects import (
    Attribution,
    Conditional,
    Decomposition,
    Effect,
    Interaction,
    Share,
    Verdict,
)
from assay.experiments.corner_metrics import CornerMetric, CornerOutcome, measure, rulers
from assay.experiments.corners import Corner, Design, Order, of_orders
from assay.experiments.needs import needs
from assay.experiments.noise import Trainings, moments, noise, trainings, untrained
from assay.metrics.intervals import Noise, half_width, p_value

Floats = NDArray[np.float64]
RULER = "ruler"
GRID = 2.0**-40
"""Values and shares are rounded to multiples of it, so that sums below 2^12 are exact."""


def attribute(
    players: Sequence[str],
    outcomes: Mapping[Corner, Sequence[CornerOutcome]],
    *,
    orders: Sequence[Order] = (),
    categories: Sequence[str] = (),
    per_class: bool = False,
    ruler: str = RULER,
    replicates: int = 1000,
    seed: int = 0,
) -> Attribution:
    """Share of every player in the change of every metric from A to B.

    Args:
        players: Names of what differs. Corners with the player `ruler` are measured on B's test set, others on A's.
        outcomes: For each corner of `plan(players)` one outcome a seed, with the same seeds in the same order.
        orders: `plan(players).orders`.
        categories: Names of the classes, in the order of the columns of the probabilities.
        per_class: Also attribute the metrics of each class.
        ruler: Name of the player that changes the test set only.
        replicates: Number of replicates of the paired bootstrap over test samples.
        seed: Seed of the bootstrap.

    Raises:
        AssayError: the outcomes do not match the plan or each other.
    """
    if not players or len(set(players)) < len(players):
        raise AssayError(f"players must be different and at least one: {', '.join(players) or 'none'}")
    plan = of_orders(players, orders)
    joined = rulers(plan, outcomes)
    trained = trainings(plan, outcomes, ruler)
    work = _MetricInputs(plan, trained, len(outcomes[plan.corners[0]]), len(joined), ruler)
    found = [
        work.decompose(one)
        for one in measure(plan, outcomes, joined, categories if per_class else (), replicates, seed)
        if not np.isnan(one.values).any()
    ]
    classes: dict[str, dict[str, Decomposition]] = {}
    for one in found:
        if one.category is not None:
            classes.setdefault(one.category, {})[one.metric] = one
    return Attribution(
        players=plan.players,
        seeds=work.seeds,
        corners=len(plan.corners),
        samples=len(joined),
        orders=len(plan.orders),
        replicates=replicates,
        metrics={one.metric: one for one in found if one.category is None},
        classes=classes,
        inert=_inert(plan, outcomes),
    )


@dataclass(frozen=True)
class _MetricInputs:
    """Inputs shared by the metrics of one attribution."""

    plan: Design
    trained: Trainings
    seeds: int
    samples: int
    ruler: str

    def decompose(self, one: CornerMetric) -> Decomposition:
        plan, p = self.plan, len(self.plan.players)
        conditional = shapley.conditional(plan)
        contrasts = np.concatenate(
            [
                shapley.total(plan)[None],
                shapley.shares(plan),
                shapley.interactions(plan),
                conditional.reshape(-1, conditional.shape[-1]),
            ]
        )
        found = noise(contrasts, moments(one.values, one.drawn), self.trained, one.floor)
        errors = self._permutation_errors(one.values)
        if plan.orders:
            found = _with_orders(found, errors, len(plan.orders))
        means = one.values.mean(1)
        a, b = (_on_grid(means[plan.corners.index(c)]) for c in (frozenset(), frozenset(plan.players)))
        values = contrasts @ means
        values[0] = b - a
        values[1 : p + 1] = add_up(values[1 : p + 1], float(b - a))
        values[p + 1 :] = _on_grid(values[p + 1 :])
        effects = self._effects(values, contrasts, one, found)
        shares = tuple(
            Share(**vars(effect), player=name, permutation_error=error)
            for name, effect, error in zip(plan.players, effects[1 : p + 1], errors, strict=True)
        )
        return Decomposition(
            metric=one.name,
            category=one.category,
            higher_is_better=one.higher_is_better,
            a=float(a),
            b=float(b),
            total=effects[0],
            shares=shares,
            interactions=_interactions(shapley.pairs(plan), effects[p + 1 :]),
            noise_floor=float((effects[0].high - effects[0].low) / 2),
            seed_noise=float(np.sqrt(one.values.var(1, ddof=1).mean())) if self.seeds > 1 else None,
        )

    def _effects(self, values: Floats, contrasts: Floats, one: CornerMetric, found: Noise) -> list[Effect]:
        """Effects with intervals; an interval is extended to cover both the value and the value minus its bias.

        With one seed, only effects of the ruler can have a verdict: the noise of seeds is unknown.
        """
        q, other = half_width(found), values - contrasts @ one.bias
        low, high = np.minimum(values, other) - q, np.maximum(values, other) + q
        nearest = np.where(values * other > 0, np.minimum(np.abs(values), np.abs(other)), 0.0)
        p, rulers_only = p_value(nearest, found), untrained(contrasts, self.trained)
        told = (rulers_only | (self.seeds > 1)) & (nearest > q)
        return [
            Effect(
                value=float(value),
                low=float(low[i]),
                high=float(high[i]),
                p_value=float(p[i]),
                verdict=_verdict(value, bool(told[i]), one.higher_is_better),
                needs=None
                if told[i]
                else needs(float(value), _one(found, i), self.seeds, self.samples, not rulers_only[i]),
                seeds_sd=float(np.sqrt(found.seeds[i])) if self.seeds > 1 else None,
                samples_sd=float(np.sqrt(found.samples[i])),
            )
            for i, value in enumerate(values)
        ]

    def _permutation_errors(self, values: Floats) -> list[float | None]:
        """Standard error of each share over pairs of an order and its reverse."""
        if not self.plan.orders:
            return [None] * len(self.plan.players)
        each = shapley.marginals(self.plan) @ values.mean(1)
        twos = (each[0::2] + each[1::2]) / 2
        return [float(x) for x in twos.std(0, ddof=1) / np.sqrt(len(twos))]


def _interactions(pairs: Sequence[tuple[str, str]], effects: Sequence[Effect]) -> tuple[Interaction, ...]:
    """Interactions from `effects`: one for each pair, then four conditional effects for each pair."""
    own, rest = effects[: len(pairs)], iter(effects[len(pairs) :])
    return tuple(
        Interaction(
            **vars(effect),
            players=pair,
            conditional=tuple(
                Conditional(**vars(next(rest)), player=player, other=other, other_from=side)
                for player, other in (pair, pair[::-1])
                for side in ("A", "B")
            ),
        )
        for pair, effect in zip(pairs, own, strict=True)
    )


def _verdict(value: float, told: bool, higher_is_better: bool) -> Verdict:
    if not told:
        return "can't tell"
    return "helped" if (value > 0) == higher_is_better else "hurt"


def add_up(values: Floats, total: float) -> Floats:
    """Values rounded to the grid that add up to `total`; the largest value takes the rounding difference."""
    result = _on_grid(values)
    result[np.argmax(np.abs(result))] += total - result.sum()
    return result


def _on_grid(values: Floats) -> Floats:
    rounded: Floats = np.round(np.asarray(values) / GRID) * GRID + 0.0
    return rounded


def _with_orders(found: Noise, errors: Sequence[float | None], orders: int) -> Noise:
    """The noise with the variance of drawn orders; the first contrast is the total, which has none."""
    return replace(
        found,
        orders=np.array([0.0, *(error or 0.0 for error in errors)]) ** 2,
        orders_freedom=max(orders // 2 - 1, 1),
    )


def _one(found: Noise, i: int) -> Noise:
    """The noise of contrast i."""
    orders = np.broadcast_to(found.orders, found.seeds.shape)[i]
    return Noise(
        found.seeds[i], found.freedom[i], found.samples[i], found.both[i], orders, found.orders_freedom
    )


def _inert(plan: Design, outcomes: Mapping[Corner, Sequence[CornerOutcome]]) -> tuple[str, ...]:
    """Players that leave every corner bitwise unchanged."""
    return tuple(
        name
        for name in plan.players
        if all(
            _same(outcomes[corner], outcomes[corner - {name}])
            for corner in plan.corners
            if name in corner and corner - {name} in plan.corners
        )
    )


def _same(one: Sequence[CornerOutcome], other: Sequence[CornerOutcome]) -> bool:
    return all(
        np.array_equal(a.ids, b.ids) and a.judged.content == b.judged.content
        for a, b in zip(one, other, strict=True)
    )
