from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.strategies import Candidates, kcenter

RNG = np.random.default_rng(0)


def pool(X, labelled=()) -> Candidates:
    X = np.asarray(X, np.float32)
    known = np.isin(np.arange(len(X)), labelled)
    return Candidates(X, None, known, np.ones(len(X), np.float32))


def greedy(X, labelled, budget):
    """Algorithm 1 of the paper, word for word, in double precision."""
    X, covered = np.asarray(X, np.float64), list(labelled)
    picks = []
    for _ in range(budget):
        gaps = [min(np.linalg.norm(x - X[c]) for c in covered) for x in X]
        gaps = [-1 if i in covered else gap for i, gap in enumerate(gaps)]
        picks.append(int(np.argmax(gaps)))
        covered.append(picks[-1])
    return picks


@given(seed=st.integers(0, 500), n=st.integers(4, 40), known=st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_it_is_the_greedy_of_the_paper(seed, n, known):
    X = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    budget = n - known
    assert kcenter.select(pool(X, range(known)), budget, RNG).tolist() == greedy(X, range(known), budget)


def test_what_is_labelled_is_covered():
    X = [[0.0], [0.1], [5.0], [5.1], [9.0]]
    assert kcenter.select(pool(X, labelled=[0]), 2, RNG).tolist() == [4, 2]
    assert kcenter.select(pool(X, labelled=[4]), 1, RNG).tolist() == [0]


def test_the_first_of_all_is_the_most_central_one():
    assert kcenter.select(pool([[0.0], [4.0], [5.0], [10.0]]), 3, RNG).tolist() == [2, 0, 3]


def test_duplicates_come_last():
    X = [[0.0, 0], [0, 0], [3, 0], [0, 3], [3, 0]]
    assert sorted(kcenter.select(pool(X), 3, RNG).tolist()) == [0, 2, 3]


def test_more_labelled_images_than_one_block():
    X = np.random.default_rng(1).normal(size=(2 * kcenter.BLOCK + 60, 4)).astype(np.float32)
    known = range(2 * kcenter.BLOCK + 9)
    assert kcenter.select(pool(X, known), 3, RNG).tolist() == greedy(X, known, 3)


def test_the_explanation_is_the_gap_at_its_turn():
    told = kcenter.explain(pool([[0.0], [4.0], [10.0]], labelled=[0]), np.array([2, 1]), ())
    assert [score for score, _ in told] == [10.0, 4.0]
    assert told[1][1] == "4 from the nearest labelled or queued image"
