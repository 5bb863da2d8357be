"""Shapley values: exact, additive, and what they are for players that do nothing or the same."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from assay.experiments.corners import (
    conditional,
    every_corner,
    interactions,
    marginals,
    pairs,
    plan,
    shares,
    total,
)

NAMES = ("data", "model", "code", "ruler", "seed")


def brute_force(players, value):
    """The mean of the marginal contributions over all orders, one by one."""
    orders = list(permutations(players))
    found = dict.fromkeys(players, 0.0)
    for order in orders:
        for i, name in enumerate(order):
            found[name] += value[frozenset(order[: i + 1])] - value[frozenset(order[:i])]
    return [found[name] / len(orders) for name in players]


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5])
def test_shares_are_the_mean_over_all_orders(p):
    asked = plan(NAMES[:p])
    value = dict(zip(asked.corners, np.random.default_rng(p).normal(size=2**p), strict=True))
    expected = brute_force(asked.players, value)
    np.testing.assert_allclose(shares(asked) @ list(value.values()), expected, atol=1e-12)


def test_two_players_share_as_the_design_says():
    v00, d, m, both = 0.7, 0.76, 0.72, 0.85
    corners = every_corner(("data", "model"))
    assert [set(c) for c in corners] == [set(), {"data"}, {"model"}, {"data", "model"}]
    found = shares(plan(("data", "model"))) @ [v00, d, m, both]
    assert found == pytest.approx([((d - v00) + (both - m)) / 2, ((m - v00) + (both - d)) / 2])
    assert interactions(plan(("data", "model"))) @ [v00, d, m, both] == pytest.approx([both - d - m + v00])
    given = conditional(plan(("data", "model"))) @ [v00, d, m, both]
    assert given.ravel() == pytest.approx([d - v00, both - m, m - v00, both - d])


@pytest.mark.parametrize("p", [2, 3, 4, 7])
def test_shares_add_up_to_the_total_also_when_orders_are_drawn(p):
    asked = plan([f"p{i}" for i in range(p)], permutations=6)
    np.testing.assert_allclose(shares(asked).sum(0), total(asked), atol=1e-12)


def test_drawn_orders_need_their_own_corners_only_and_come_with_their_reverse():
    asked = plan([f"p{i}" for i in range(8)], permutations=5, seed=3)
    assert len(asked.orders) == 6
    assert asked.orders[1] == asked.orders[0][::-1]
    assert len(asked.corners) <= 2 + 6 * 7
    assert asked.corners[0] == frozenset()
    assert asked.corners[-1] == frozenset(asked.players)
    assert asked == plan(asked.players, permutations=5, seed=3)
    np.testing.assert_allclose(marginals(asked).mean(0), shares(asked))
    assert pairs(asked) == []


def test_drawn_orders_are_right_on_average():
    players = [f"p{i}" for i in range(6)]
    rng = np.random.default_rng(0)
    corners = every_corner(players)
    value = dict(zip(corners, rng.normal(size=len(corners)), strict=True))
    exact = shares(plan(players, most=6)) @ list(value.values())
    many = plan(players, permutations=400)
    assert shares(many) @ [value[c] for c in many.corners] == pytest.approx(exact, abs=0.25)


def test_a_player_that_does_nothing_gets_nothing_and_alike_players_get_alike():
    asked = plan(("a", "b", "idle"))
    values = [float(len(c - {"idle"})) ** 2 for c in asked.corners]
    assert shares(asked) @ values == pytest.approx([2, 2, 0])
    assert interactions(asked) @ values == pytest.approx([2, 0, 0])
