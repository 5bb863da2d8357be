"""The corners of the factorial that are needed, and the shares as linear contrasts of their values.

A corner S is the set of players taken from B; the others are taken from A. With v(S) the metric of corner S, the
Shapley value (Shapley 1953) of a player j is the mean of its marginal contribution v(S + j) − v(S) over all orders in
which the players change from A to B: a linear contrast of the 2^p values. With more than MOST_EXACT players, orders are
drawn at random (Castro, Gómez & Tejada 2009), each with its reverse (antithetic; Mitchell et al. 2022), and only the
corners along these orders are needed. The contributions along an order telescope, so the shares add up to v(B) − v(A)
in both cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Corner = frozenset[str]
Order = tuple[str, ...]

MOST_EXACT = 5
"""Most players for which all 2^p corners are computed: 32 corners."""
PERMUTATIONS = 16
"""Orders drawn with more players."""


@dataclass(frozen=True)
class Design:
    """Players, corners to train and evaluate (each once a seed), and the orders drawn."""

    players: tuple[str, ...]
    corners: tuple[Corner, ...]
    """From A (no players) to B (all), fewest players first."""
    orders: tuple[Order, ...] = ()
    """The orders drawn; empty: the shares are exact."""


def plan(
    players: Sequence[str], permutations: int = PERMUTATIONS, seed: int = 0, most: int = MOST_EXACT
) -> Design:
    """All corners for up to `most` players, else those along `permutations` random orders (rounded up to pairs)."""
    names = tuple(players)
    if len(names) <= most:
        return Design(names, every_corner(names))
    rng = np.random.default_rng(seed)
    orders: list[Order] = []
    for _ in range((permutations + 1) // 2):
        order = tuple(names[i] for i in rng.permutation(len(names)))
        orders += [order, order[::-1]]
    return of_orders(names, orders)


def of_orders(players: Sequence[str], orders: Sequence[Order]) -> Design:
    """The design with the corners along `orders`; without orders: all corners."""
    names = tuple(players)
    if not orders:
        return Design(names, every_corner(names))
    found = {frozenset(order[:i]) for order in orders for i in range(len(names) + 1)}
    return Design(names, _sorted(names, found), tuple(orders))


def every_corner(players: Sequence[str]) -> tuple[Corner, ...]:
    """The 2^p corners, from A to B."""
    return _sorted(players, {frozenset(c) for k in range(len(players) + 1) for c in combinations(players, k)})


def shares(plan: Design) -> Floats:
    """(p, corners): contrasts whose values are the Shapley values."""
    return _mean_over_orders(plan) if plan.orders else _exact(plan)


def marginals(plan: Design) -> Floats:
    """(orders, p, corners): contrasts whose values are the marginal contributions along each order drawn."""
    at = {corner: i for i, corner in enumerate(plan.corners)}
    result = np.zeros((len(plan.orders), len(plan.players), len(plan.corners)))
    for o, order in enumerate(plan.orders):
        for i, name in enumerate(order):
            j = plan.players.index(name)
            result[o, j, at[frozenset(order[: i + 1])]] += 1
            result[o, j, at[frozenset(order[:i])]] -= 1
    return result


def total(plan: Design) -> Floats:
    """(corners,): v(B) − v(A)."""
    row = np.zeros(len(plan.corners))
    row[plan.corners.index(frozenset(plan.players))] += 1
    row[plan.corners.index(frozenset())] -= 1
    return row


def pairs(plan: Design) -> list[tuple[str, str]]:
    """Pairs with an interaction: all; none if orders were drawn."""
    return [] if plan.orders else list(combinations(plan.players, 2))


def conditional(plan: Design) -> Floats:
    """(pairs, 2, 2, corners): contrasts of the effect of one player of a pair with the other from A, and from B.

    [pair, 0, 1]: effect of the first player i with the second, j, from B: the mean of v(S + ij) − v(S + j) over the
    corners S of the other players, weighted as in the Shapley interaction index.
    """
    p, at = len(plan.players), {corner: i for i, corner in enumerate(plan.corners)}
    result = np.zeros((len(pairs(plan)), 2, 2, len(plan.corners)))
    for rows, pair in zip(result, pairs(plan), strict=True):
        for corner in (corner for corner in plan.corners if not corner & set(pair)):
            weight = 1 / ((p - 1) * comb(p - 2, len(corner)))
            for row, player, other in ((rows[0], *pair), (rows[1], *reversed(pair))):
                for there, given in enumerate((corner, corner | {other})):
                    row[there, at[given | {player}]] += weight
                    row[there, at[given]] -= weight
    return result


def interactions(plan: Design) -> Floats:
    """(pairs, corners): contrasts of the Shapley interaction indices (Grabisch & Roubens 1999, definition 2).

    The effect of one player with the other from B, minus its effect with the other from A.
    """
    found = conditional(plan)
    result: Floats = found[:, 0, 1] - found[:, 0, 0]
    return result


def _exact(plan: Design) -> Floats:
    p, at = len(plan.players), {corner: i for i, corner in enumerate(plan.corners)}
    result = np.zeros((p, len(plan.corners)))
    for row, name in zip(result, plan.players, strict=True):
        for corner in plan.corners:
            if name not in corner:
                weight = 1 / (p * comb(p - 1, len(corner)))
                row[at[corner | {name}]] += weight
                row[at[corner]] -= weight
    return result


def _mean_over_orders(plan: Design) -> Floats:
    mean: Floats = marginals(plan).mean(0)
    return mean


def _sorted(players: Sequence[str], corners: set[Corner]) -> tuple[Corner, ...]:
    rank = {name: i for i, name in enumerate(players)}
    return tuple(sorted(corners, key=lambda c: (len(c), sorted(rank[name] for name in c))))
