"""The nearest among the teachers: exact while they are few, nearly so beyond, and never of the image's own group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.labels import neighbours
from assay.labels.neighbours import Neighbours, nearest, votes


def squared_distances(points: np.ndarray) -> np.ndarray:
    return ((points[:, None] - points[None].astype(np.float64)) ** 2).sum(2)


@settings(max_examples=50, deadline=None)
@given(st.integers(4, 60), st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000))
def test_the_search_among_few_teachers_is_exact(n, groups, count, seed):
    rng = np.random.default_rng(seed)
    points, group = rng.normal(size=(n, 5)).astype(np.float32), rng.integers(0, groups, n)
    taught = rng.permutation(n)[: rng.integers(2, n)]
    count = min(count, len(taught) - 1)
    found = nearest(points, group, taught, count)
    squared = squared_distances(points)
    for row in range(n):
        others = taught[group[taught] != group[row]]
        expected = others[np.argsort(squared[row, others])][:count]
        assert found.rows[row].tolist() == expected.tolist() + [-1] * (count - len(expected))
        if len(expected):
            mean = np.sqrt(squared[row, expected]).mean()
            assert found.distance[row] == pytest.approx(mean, rel=1e-3, abs=1e-3)
        else:
            assert found.distance[row] == np.inf


@pytest.fixture
def many(monkeypatch) -> np.ndarray:
    """(6000, 16): thirty clouds of unequal size that touch."""
    monkeypatch.setattr(neighbours, "SEARCHED", 2500)
    rng = np.random.default_rng(0)
    cloud = np.minimum(rng.geometric(0.1, 6000), 30)
    middles = rng.normal(0, 2, (31, 16))
    return (middles[cloud] + rng.normal(size=(6000, 16))).astype(np.float32)


def test_among_many_teachers_nearly_all_of_the_nearest_are_found(many):
    taught, groups = np.arange(5000), np.arange(6000) // 2
    found = nearest(many, groups, taught, 20)
    asked = np.arange(0, 6000, 20)
    apart = ((many[asked, None] - many[None, taught]) ** 2).sum(2)
    apart[groups[asked][:, None] == groups[taught]] = np.inf
    exact = np.argsort(apart, axis=1)[:, :20]
    shared = [len(np.intersect1d(*both)) for both in zip(exact, found.rows[asked], strict=True)]
    assert np.mean(shared) > 0.95 * 20
    assert (groups[found.rows] != groups[:, None]).all()
    best = np.sqrt(np.take_along_axis(apart, exact, 1)).mean(1)
    assert found.distance[asked] == pytest.approx(best, rel=0.1)
    assert (found.distance[asked] > best - 1e-3).all()


def test_the_same_search_finds_the_same_bit_by_bit(many):
    one, other = (nearest(many, np.arange(6000), np.arange(5000), 20) for _ in range(2))
    assert one.rows.tobytes() == other.rows.tobytes()
    assert one.distance.tobytes() == other.distance.tobytes()


def test_images_that_are_all_alike_have_neighbours_at_no_distance(monkeypatch):
    monkeypatch.setattr(neighbours, "SEARCHED", 2500)
    found = nearest(np.ones((4000, 4), np.float32), np.arange(4000), np.arange(4000), 10)
    assert (found.rows >= 0).all()
    assert (found.distance == 0).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(2, 5), st.integers(1, 7), st.integers(0, 1000))
def test_votes_are_means_of_the_neighbours_and_even_without_any(n, count, classes, block, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, n, (n, count)).astype(np.int32)
    right = rng.dirichlet(np.ones(classes), n)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(neighbours, "BLOCK", block)
        said = votes(Neighbours(rows, np.zeros(n, np.float32)), right)
    for row in range(n):
        there = rows[row][rows[row] >= 0]
        expected = right[there].mean(0) if len(there) else np.full(classes, 1 / classes)
        assert said[row] == pytest.approx(expected)
