"""bald and dropquery: what a probe changes its mind about when it loses dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from assay.strategies import Candidates, bald, dropquery, kcenter, maxherding
from assay.strategies._clusters import medoids
from assay.strategies._probe import fitted


def two_clouds(n: int = 400, known: int = 40, d: int = 8, seed: int = 0) -> Candidates:
    """Two classes that differ in the sum of all dimensions; the first `known` rows are labelled."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float32)
    classes = (X.sum(axis=1) > 0).astype(np.int64)
    labelled = np.arange(n) < known
    return Candidates(X, None, labelled, np.ones(n, np.float32), np.where(labelled, classes, -1))


@pytest.mark.parametrize("strategy", [bald, dropquery])
def test_they_ask_where_the_classes_meet(strategy):
    pool = two_clouds(known=150, d=40)
    picks = np.concatenate([strategy.select(pool, 30, np.random.default_rng(s)) for s in range(4)])
    from_border = np.abs(pool.embeddings.sum(axis=1))
    assert from_border[picks].mean() < 0.8 * from_border[pool.unlabelled].mean()


@pytest.mark.parametrize("strategy", [bald, dropquery])
def test_their_choice_is_of_the_seed(strategy):
    pool = two_clouds()
    first, same, other = (strategy.select(pool, 30, np.random.default_rng(s)).tolist() for s in (0, 0, 1))
    assert first == same != other


def test_with_one_class_only_they_choose_by_geometry():
    pool = two_clouds(known=1)
    rng = np.random.default_rng
    assert bald.select(pool, 9, rng(0)).tolist() == kcenter.select(pool, 9, rng(0)).tolist()
    assert dropquery.select(pool, 9, rng(0)).tolist() == maxherding.select(pool, 9, rng(0)).tolist()


def test_the_information_is_that_of_its_definition():
    pool = two_clouds()
    probe = fitted(pool)
    rows = pool.unlabelled[:7]
    scores = bald.information(probe, pool.embeddings, rows, np.random.default_rng(5), 4, 0.5)
    kept = np.random.default_rng(5).random((4, 8, 1)) >= 0.5
    Z = probe.standardised(pool.embeddings[rows]).astype(np.float64)
    votes = []
    for mask in kept[:, :, 0]:
        odds = np.exp((Z * mask * 2) @ probe.weights + probe.bias)
        votes.append(odds / odds.sum(1, keepdims=True))

    def entropy(p):
        return -(p * np.log(p)).sum(-1)

    expected = entropy(np.mean(votes, 0)) - entropy(np.array(votes)).mean(0)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_the_candidates_are_those_that_most_passes_disagree_about():
    pool = two_clouds()
    probe = fitted(pool)
    votes = dropquery.disagreements(
        probe, pool.embeddings, pool.unlabelled, np.random.default_rng(0), 3, 0.75
    )
    picks = dropquery.select(pool, 5, np.random.default_rng(0))
    assert 0 < (votes > 1).sum() < len(votes)
    assert (votes[np.searchsorted(pool.unlabelled, picks)] > 1).all()


def test_no_dropout_leaves_no_candidates_and_the_margin_decides():
    pool = two_clouds()
    picks = dropquery.select(pool, 5, np.random.default_rng(0), dropout=0.0)
    probabilities = fitted(pool).probabilities(pool.embeddings[pool.unlabelled])
    closest = np.argsort(np.abs(probabilities[:, 0] - 0.5), kind="stable")[:5]
    assert picks.tolist() == pool.unlabelled[closest].tolist()


def test_medoids_are_one_of_each_group_the_largest_first():
    rng = np.random.default_rng(0)
    sizes, middles = [50, 30, 10], np.array([[0, 0], [9, 0], [0, 9]])
    points = np.concatenate([m + 0.1 * rng.normal(size=(s, 2)) for s, m in zip(sizes, middles, strict=True)])
    found = medoids(points.astype(np.float32), 3, seed=0)
    assert np.searchsorted([50, 80, 90], found, side="right").tolist() == [0, 1, 2]
    assert medoids(points[:2].astype(np.float32), 3, seed=0).tolist() == [0, 1]
    assert len(medoids(np.zeros((5, 2), np.float32), 3, seed=0)) <= 3
