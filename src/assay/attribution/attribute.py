"""From the corners' predictions to shares with intervals and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assay.attribution import corners as shapley
from assay.attribution.corners import Corner, Order, Plan, of_orders
from assay.attribution.effects import Attribution, Decomposition, Effect, Interaction, Share, Verdict
from assay.attribution.intervals import Noise, half_width, p_value
from assay.attribution.measured import Measured, Outcome, measure, rulers
from assay.attribution.needs import needs
from assay.attribution.noise import Trainings, of_contrasts, trainings
from assay.errors import AssayError

Floats = NDArray[np.float64]
RULER = "ruler"
GRID = 2.0**-40
"""Values and shares are multiples of it: below 2^12 their sums are exact."""


def attribute(
    players: Sequence[str],
    outcomes: Mapping[Corner, Sequence[Outcome]],
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
        players: What differs. `ruler` among them: corners with it are judged on B's test set, the others on A's.
        outcomes: For each corner of `plan(players)` one outcome a seed; the same seeds in the same order everywhere.
        orders: `plan(players).orders`, where not all corners are there.
        categories: Names of the classes, in the order of the probabilities' columns.
        per_class: Recall and F1 of each category too.
        ruler: Name of the player that changes the test set and no training.
        replicates: Of the paired bootstrap over test samples.
        seed: Of the bootstrap.

    Raises:
        AssayError: the outcomes do not fit together.
    """
    if not players or len(set(players)) < len(players):
        raise AssayError(f"players must be different and at least one: {', '.join(players) or 'none'}")
    plan = of_orders(players, orders)
    joined = rulers(plan, outcomes)
    trained = trainings(plan, outcomes, ruler)
    work = _Work(plan, trained, len(outcomes[plan.corners[0]]), len(joined), ruler)
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
class _Work:
    """What the metrics of one attribution have in common."""

    plan: Plan
    trained: Trainings
    seeds: int
    samples: int
    ruler: str

    def decompose(self, one: Measured) -> Decomposition:
        plan, p = self.plan, len(self.plan.players)
        contrasts = np.concatenate(
            [shapley.total(plan)[None], shapley.shares(plan), shapley.interactions(plan)]
        )
        noise = of_contrasts(contrasts, one.values, one.drawn, one.floor, self.trained)
        errors = self._permutation_errors(one.values)
        noise = _with_orders(noise, errors, p, len(plan.orders))
        means = one.values.mean(1)
        a, b = (_on_grid(means[plan.corners.index(c)]) for c in (frozenset(), frozenset(plan.players)))
        values = contrasts @ means
        values[0] = b - a
        values[1 : p + 1] = add_up(values[1 : p + 1], float(b - a))
        values[p + 1 :] = _on_grid(values[p + 1 :])
        effects = self._effects(values, noise, one.higher_is_better)
        shares = tuple(
            Share(**vars(effect), player=name, permutation_error=error)
            for name, effect, error in zip(plan.players, effects[1 : p + 1], errors, strict=True)
        )
        pairs = tuple(
            Interaction(**vars(effect), players=pair)
            for pair, effect in zip(shapley.pairs(plan), effects[p + 1 :], strict=True)
        )
        return Decomposition(
            metric=one.name,
            category=one.category,
            higher_is_better=one.higher_is_better,
            a=float(a),
            b=float(b),
            total=effects[0],
            shares=shares,
            interactions=pairs,
            noise_floor=float((effects[0].high - effects[0].low) / 2),
            seed_noise=float(np.sqrt(one.values.var(1, ddof=1).mean())) if self.seeds > 1 else None,
        )

    def _effects(self, values: Floats, noise: Noise, higher_is_better: bool) -> list[Effect]:
        q, p = half_width(noise), p_value(values, noise)
        effects = []
        for i, value in enumerate(values):
            one = Noise(noise.seeds[i], noise.freedom[i], noise.samples[i], noise.both[i])
            verdict = self._verdict(value, q[i], higher_is_better)
            effects.append(
                Effect(
                    value=float(value),
                    low=float(value - q[i]),
                    high=float(value + q[i]),
                    p_value=float(p[i]),
                    verdict=verdict,
                    needs=needs(float(value), one, self.seeds, self.samples)
                    if verdict == "can't tell"
                    else None,
                    seeds_sd=float(np.sqrt(one.seeds)) if self.seeds > 1 else None,
                    samples_sd=float(np.sqrt(one.samples)),
                )
            )
        return effects

    def _verdict(self, value: float, q: float, higher_is_better: bool) -> Verdict:
        if self.seeds < 2 or abs(value) <= q:
            return "can't tell"
        return "helped" if (value > 0) == higher_is_better else "hurt"

    def _permutation_errors(self, values: Floats) -> list[float | None]:
        """Standard error of each share over pairs of an order and its reverse."""
        if not self.plan.orders:
            return [None] * len(self.plan.players)
        each = shapley.marginals(self.plan) @ values.mean(1)
        twos = (each[0::2] + each[1::2]) / 2
        return [float(x) for x in twos.std(0, ddof=1) / np.sqrt(len(twos))]


def add_up(values: Floats, total: float) -> Floats:
    """Values on the grid that add up to the total, which is on it: what rounding leaves goes to the largest."""
    result = _on_grid(values)
    result[np.argmax(np.abs(result))] += total - result.sum()
    return result


def _on_grid(values: Floats) -> Floats:
    rounded: Floats = np.round(np.asarray(values) / GRID) * GRID + 0.0
    return rounded


def _with_orders(noise: Noise, errors: Sequence[float | None], p: int, orders: int) -> Noise:
    """The error of drawn orders counts with the seeds' (Satterthwaite 1946)."""
    if not orders:
        return noise
    more = np.zeros_like(noise.seeds)
    more[1 : p + 1] = [(error or 0.0) ** 2 for error in errors]
    whole = noise.seeds + more
    parts = noise.seeds**2 / np.maximum(noise.freedom, 1) + more**2 / max(orders // 2 - 1, 1)
    freedom = np.divide(whole**2, parts, out=np.full_like(whole, np.inf), where=parts > 0)
    return replace(noise, seeds=whole, freedom=freedom)


def _inert(plan: Plan, outcomes: Mapping[Corner, Sequence[Outcome]]) -> tuple[str, ...]:
    """Players without which every corner that is there is the same, bit by bit."""
    return tuple(
        name
        for name in plan.players
        if all(
            _same(outcomes[corner], outcomes[corner - {name}])
            for corner in plan.corners
            if name in corner and corner - {name} in plan.corners
        )
    )


def _same(one: Sequence[Outcome], other: Sequence[Outcome]) -> bool:
    return all(
        np.array_equal(a.ids, b.ids)
        and np.array_equal(a.judged.probabilities, b.judged.probabilities)
        and np.array_equal(a.judged.targets, b.judged.targets)
        for a, b in zip(one, other, strict=True)
    )
