from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.strategies import Candidates, _farthest, kcenter
from assay.strategies._geometry import canonical, distance_error, squared_distances, squared_norms, top_rows

RNG = np.random.default_rng(0)


def pool(X, labelled=(), costs=None) -> Candidates:
    X = np.asarray(X, np.float32)
    known = np.isin(np.arange(len(X)), labelled)
    return Candidates(X, None, known, np.ones(len(X), np.float32) if costs is None else costs)


def greedy(pool, budget):
    """Algorithm 1 of the paper, word for word, in double precision."""
    X, covered = pool.embeddings.astype(np.float64), np.flatnonzero(pool.labelled).tolist()
    costs = pool.costs.astype(np.float64)
    picks, spent = [], 0.0
    far = np.min([canonical(X, X[c]) for c in covered] or [np.full(len(X), np.inf)], axis=0)
    while True:
        gaps = far if covered else -canonical(X, X.mean(axis=0))
        gaps = np.where(np.isin(np.arange(len(X)), covered) | (spent + costs > budget), -np.inf, gaps)
        if gaps.max() == -np.inf:
            return picks
        picks.append(int(gaps.argmax()))
        spent += costs[picks[-1]]
        covered.append(picks[-1])
        far = np.minimum(far, canonical(X, X[picks[-1]]))


@st.composite
def hard_pools(draw):
    """Ties, duplicates, far from the origin, some dear ones: everything that could make two algorithms differ."""
    n, d = draw(st.integers(1, 60)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = {
        "smooth": rng.normal(size=(n, d)),
        "lattice": rng.integers(0, 3, (n, d)),
        "copies": rng.normal(size=(3, d))[rng.integers(0, 3, n)],
        "far away": 1000 + 0.01 * rng.normal(size=(n, d)),
    }[draw(st.sampled_from(["smooth", "lattice", "copies", "far away"]))]
    known = np.flatnonzero(rng.random(n) < draw(st.sampled_from([0, 0.2, 1])))
    costs = rng.choice([0.5, 1, 2, 7], n) if draw(st.booleans()) else np.ones(n)
    return pool(X, known, costs.astype(np.float32))


@given(
    pool=hard_pools(),
    budget=st.integers(1, 40),
    front=st.integers(1, 30),
    head=st.integers(1, 9),
    many=st.integers(0, 9),
)
@settings(max_examples=150, deadline=None)
def test_it_is_the_greedy_of_the_paper_however_small_its_front(pool, budget, front, head, many):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_farthest, "FRONT", front)
        patch.setattr(_farthest, "HEAD", head)
        patch.setattr(_farthest, "MANY", many)
        assert kcenter.select(pool, budget, RNG).tolist() == greedy(pool, budget)


@pytest.mark.parametrize("known", [0, 700])
def test_it_is_the_greedy_of_the_paper_over_several_blocks(known, monkeypatch):
    monkeypatch.setattr(_farthest, "FRONT", 500)
    monkeypatch.setattr(_farthest, "HEAD", 20)
    rng = np.random.default_rng(known)
    many = pool(
        3 * rng.normal(size=(9, 12))[rng.integers(0, 9, 5000)] + rng.normal(size=(5000, 12)), range(known)
    )
    assert kcenter.select(many, 400, RNG).tolist() == greedy(many, 400)


def test_many_equal_images_do_not_stop_it():
    copies = pool(np.zeros((40_000, 2)))
    assert kcenter.select(copies, 5, RNG).tolist() == [0, 1, 2, 3, 4]


def test_a_memory_map_will_do(tmp_path):
    X = np.random.default_rng(2).normal(size=(300, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    mapped = Candidates(
        np.load(tmp_path / "x.npy", mmap_mode="r"), None, np.zeros(300, bool), np.ones(300, np.float32)
    )
    assert kcenter.select(mapped, 30, RNG).tolist() == kcenter.select(pool(X), 30, RNG).tolist()


@given(seed=st.integers(0, 2**16), d=st.integers(1, 600), shift=st.sampled_from([0, 1, 1000]))
@settings(max_examples=60, deadline=None)
def test_the_error_of_a_product_is_within_its_bound(seed, d, shift):
    X = (np.random.default_rng(seed).normal(size=(20, d)) + shift).astype(np.float32)
    norms = squared_norms(X)
    found = squared_distances(X, norms, X, norms)
    true = np.array([canonical(X, x) for x in X])
    assert (abs(found - true) <= distance_error(d, norms, norms)).all()


def test_a_distance_is_the_same_bits_alone_and_in_a_block():
    for d in (1, 2, 7, 8, 129, 512):
        X = np.random.default_rng(d).normal(size=(50, d)).astype(np.float32)
        alone = [canonical(X[i : i + 1], X[j])[0] for i in range(50) for j in range(50)]
        paired = canonical(np.repeat(X, 50, axis=0), np.tile(X, (50, 1)))
        assert np.array(alone).tobytes() == paired.tobytes()


def test_the_top_rows_are_the_earlier_ones_of_equals():
    assert top_rows(np.array([1.0, 3, 2, 2, 2]), 3).tolist() == [1, 2, 3]
    assert top_rows(np.array([1.0, 3]), 5).tolist() == [0, 1]


def test_what_is_labelled_is_covered():
    X = [[0.0], [0.1], [5.0], [5.1], [9.0]]
    assert kcenter.select(pool(X, labelled=[0]), 2, RNG).tolist() == [4, 2]
    assert kcenter.select(pool(X, labelled=[4]), 1, RNG).tolist() == [0]


def test_the_first_of_all_is_the_most_central_one():
    assert kcenter.select(pool([[0.0], [4.0], [5.0], [10.0]]), 3, RNG).tolist() == [2, 0, 3]


def test_duplicates_come_last():
    X = [[0.0, 0], [0, 0], [3, 0], [0, 3], [3, 0]]
    assert sorted(kcenter.select(pool(X), 3, RNG).tolist()) == [0, 2, 3]


def test_the_explanation_is_the_gap_at_its_turn():
    told = kcenter.explain(pool([[0.0], [4.0], [10.0]], labelled=[0]), np.array([2, 1]), ())
    assert [score for score, _ in told] == [10.0, 4.0]
    assert told[1][1] == "4 from the nearest labelled or queued image"
