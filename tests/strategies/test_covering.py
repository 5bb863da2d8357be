"""TypiClust and ProbCover against the plain algorithms of their papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.strategies import Candidates, probcover, typiclust

SEED = 7


def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def pool(X, labelled=(), targets=None) -> Candidates:
    X = np.asarray(X, np.float32)
    known = np.isin(np.arange(len(X)), labelled)
    return Candidates(X, None, known, np.ones(len(X), np.float32), targets)


@st.composite
def hard_pools(draw):
    """Clusters, duplicates and lattices, where many are as good as each other."""
    n, d = draw(st.integers(1, 50)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = {
        "clusters": 5 * rng.normal(size=(4, d))[rng.integers(0, 4, n)] + rng.normal(size=(n, d)),
        "lattice": rng.integers(0, 4, (n, d)),
        "copies": rng.normal(size=(3, d))[rng.integers(0, 3, n)],
    }[draw(st.sampled_from(["clusters", "lattice", "copies"]))]
    return pool(X, np.flatnonzero(rng.random(n) < draw(st.sampled_from([0, 0.2]))))


def distances(pool) -> np.ndarray:
    X = pool.embeddings.astype(np.float64)
    return np.sqrt(((X[:, None] - X) ** 2).sum(axis=2))


def typical(pool, budget, home):
    """Algorithm 1 of the TypiClust paper, given the clusters."""
    D, taken, picks = distances(pool), pool.labelled.copy(), []
    while len(picks) < budget and not taken.all():
        turns = []
        for name in set(home[~taken].tolist()):
            rows = np.flatnonzero(home == name)
            turns.append((len(rows) <= typiclust.TINY, int(taken[rows].sum()), -len(rows), name))
        rows = np.flatnonzero(home == min(turns)[-1])
        k = min(typiclust.NEIGHBOURS, len(rows) - 1)
        means = [
            np.sort(np.delete(D[i, rows], np.flatnonzero(rows == i)))[:k].sum() / max(k, 1) for i in rows
        ]
        picks.append(
            min((m, i) for m, i in zip(np.round(means, 12), rows.tolist(), strict=True) if not taken[i])[1]
        )
        taken[picks[-1]] = True
    return picks


@given(pool=hard_pools(), budget=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_typiclust_is_the_algorithm_of_the_paper(pool, budget):
    clusters = min(int(pool.labelled.sum()) + budget, 6)
    home = typiclust.clustered(pool.embeddings, clusters, rng())
    picks = typiclust.select(pool, budget, rng(), max_clusters=6).tolist()
    assert picks == typical(pool, budget, home)


def far_apart() -> np.ndarray:
    """Two heaps so far apart that single precision knows little of the distances within them."""
    return (rng().normal(size=(80, 6)) + np.where(np.arange(80)[:, None] < 40, 3000, -3000)).astype(
        np.float32
    )


def test_what_single_precision_says_of_a_mean_distance_holds_the_exact_one():
    X = far_apart()
    cluster = typiclust.Cluster(X, np.arange(80), 80, rng())
    exact = np.array([cluster._mean_distance(row) for row in range(80)])
    assert (cluster.lower <= exact).all()
    assert (exact <= cluster.upper).all()
    assert typiclust.select(pool(X), 10, rng(), max_clusters=1).tolist() == typical(pool(X), 10, np.zeros(80))


def test_the_balls_of_probcover_hold_what_is_in_them_where_single_precision_cannot_tell():
    X = far_apart()
    near = distances(pool(X)) <= 3.2
    balls = probcover.Balls(X, np.arange(80), 3.2)
    assert np.array_equal(balls.within(np.arange(80)), near)
    uncovered = np.packbits(np.arange(80) % 3 > 0)
    assert balls.count(np.arange(80), uncovered).tolist() == near[:, np.arange(80) % 3 > 0].sum(1).tolist()


def test_typiclust_goes_to_the_middle_of_the_largest_cluster_without_a_label():
    heaps = [rng().normal(size=(size, 3)) + at for size, at in [(40, 0), (60, 50), (90, 100)]]
    X = np.concatenate(heaps)
    assert typiclust.select(pool(X), 3, rng())[0] >= 100
    second, third = typiclust.select(pool(X, labelled=[120]), 2, rng()).tolist()
    assert 40 <= second < 100
    assert third < 40
    middle = np.linalg.norm(X[second] - X[40:100].mean(axis=0))
    assert middle < np.median(np.linalg.norm(X[40:100] - X[40:100].mean(axis=0), axis=1))


def test_a_large_cluster_is_stood_for_by_some_of_its_members():
    X = rng().normal(size=(300, 4))
    picks = typiclust.select(pool(X), 60, rng(), max_clusters=1, members=50).tolist()
    assert len(set(picks)) == 60


def cover(pool, budget, radius):
    """The greedy of the ProbCover paper, then the farthest."""
    D, free = distances(pool), ~pool.labelled
    near = radius * (1 + 1e-12) >= D
    covered = near[:, pool.labelled].any(axis=1)
    picks = []
    while len(picks) < budget and (free & (near & ~covered & ~pool.labelled).any(axis=1)).any():
        counts = np.where(free, (near & ~covered & ~pool.labelled).sum(axis=1), -1)
        picks.append(int(counts.argmax()))
        free[picks[-1]] = False
        covered |= near[picks[-1]]
    while len(picks) < budget and free.any():
        gaps = np.where(free, D[:, ~free].min(axis=1) ** 2, -1)
        picks.append(int(np.round(gaps, 9).argmax()))
        free[picks[-1]] = False
    return picks


@given(pool=hard_pools(), budget=st.integers(1, 20), radius=st.sampled_from([0.01, 1.0, 2.5]))
@settings(max_examples=80, deadline=None)
def test_probcover_is_the_greedy_of_the_paper(pool, budget, radius):
    assert probcover.select(pool, budget, rng(), delta=radius).tolist() == cover(pool, budget, radius)


def test_the_radius_leaves_nineteen_balls_of_twenty_pure():
    heaps = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    truth = np.repeat(np.arange(4), 100)
    X = (heaps[truth] + rng().normal(size=(400, 2))).astype(np.float32)
    radius = probcover.pure_radius(X, 4, 0)
    near = distances(pool(X)) <= radius
    pure = [len(set(truth[row])) == 1 for row in near]
    assert np.mean(pure) == pytest.approx(0.95, abs=0.01)
    assert probcover.pure_radius(X, 1, 0) == probcover.pure_radius(X[:3], 4, 0) == 0


def test_the_classes_are_those_of_the_model_or_of_the_labels():
    X = np.zeros((4, 2))
    assert probcover.classes(pool(X)) == probcover.CLASSES
    assert probcover.classes(pool(X, targets=np.array([0, 1, 1, -1]))) == 2


def test_probcover_may_look_at_a_part_and_still_spend_the_budget():
    X = rng().normal(size=(90, 3))
    picks = probcover.select(pool(X, labelled=[3]), 60, rng(), candidates=30).tolist()
    assert len(set(picks)) == 60
    assert 3 not in picks


@pytest.mark.parametrize("strategy", [probcover, typiclust])
def test_the_explanation_says_how_far_it_is_from_what_was_there(strategy):
    told = strategy.explain(pool([[0.0], [3.0], [7.0]]), np.array([0, 2]), ())
    assert [score for score, _ in told] == [0.0, 7.0]
    assert "7 from the nearest" in told[1][1]
