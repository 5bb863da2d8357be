from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.strategies import Candidates, _herding, maxherding, uncertainty_herding
from assay.strategies._probe import temperature

SLACK = 1e-4
"""Gains are worked out in single precision and rounded to five digits, so that ties are ties."""


def blobs(seed: int, n: int, known: int, d: int = 6) -> Candidates:
    """Three classes, each a cloud; the first `known` rows are labelled."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, n)
    X = (rng.normal(size=(n, d)) + 2 * np.eye(3, d)[classes]).astype(np.float32)
    labelled = np.arange(n) < known
    return Candidates(X, None, labelled, np.ones(n, np.float32), np.where(labelled, classes, -1))


def similarity(pool: Candidates, radius: float) -> np.ndarray:
    """(unlabelled, n) kernel between the directions from the mean of the unlabelled, in double precision."""
    X = pool.embeddings.astype(np.float64)
    X = X - X[pool.unlabelled].mean(0)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    squares = ((X[pool.unlabelled][:, None] - X[None]) ** 2).sum(-1)
    return np.exp(-squares / radius**2)


def is_greedy(pool: Candidates, picks: np.ndarray, weights: np.ndarray, radius: float) -> bool:
    """Whether each pick adds as much as any image could at its turn, by the definition of the objective."""
    K, rows = similarity(pool, radius), pool.unlabelled
    reached = K[:, pool.labelled].max(axis=1, initial=0)
    left = rows.tolist()
    for pick in picks.tolist():
        gains = {row: float(weights @ np.maximum(K[:, row] - reached, 0)) for row in left}
        if gains[pick] < max(gains.values()) * (1 - SLACK) - SLACK:
            return False
        reached = np.maximum(reached, K[:, pick])
        left.remove(pick)
    return True


@given(
    seed=st.integers(0, 999),
    n=st.integers(20, 60),
    share=st.floats(0, 0.9),
    radius=st.sampled_from([0.3, 1, 3]),
)
@settings(max_examples=50, deadline=None)
def test_maxherding_is_the_greedy_of_the_definition(seed, n, share, radius):
    pool = blobs(seed, n, known=int(share * n))
    picks = maxherding.select(pool, n, np.random.default_rng(0), radius=radius)
    assert sorted(picks.tolist()) == pool.unlabelled.tolist()
    assert is_greedy(pool, picks, np.ones(len(pool.unlabelled)), radius)


@pytest.mark.parametrize("seed", range(5))
def test_uncertainty_herding_is_the_greedy_of_the_weighted_definition(seed):
    pool = blobs(seed, 120, known=30)
    picks = uncertainty_herding.select(pool, 40, np.random.default_rng(0))
    sample = _herding.draw(pool, 5000, 5000, np.random.default_rng(0))
    weights = uncertainty_herding.uncertainty(pool, pool.unlabelled)
    assert weights.std() > 0.05
    assert is_greedy(pool, picks, weights, uncertainty_herding.adapted(pool, sample, 1.0))


def test_without_two_classes_uncertainty_herding_is_maxherding():
    rng = np.random.default_rng(0)
    for known in (0, 1):
        pool = blobs(1, 50, known)
        assert temperature(pool) == np.inf
        assert uncertainty_herding.select(pool, 9, rng).tolist() == maxherding.select(pool, 9, rng).tolist()


def test_the_radius_shrinks_as_labels_come_closer_to_each_other():
    radii = []
    for known in (2, 20, 150):
        pool = blobs(3, 200, known)
        sample = _herding.draw(pool, 5000, 5000, np.random.default_rng(0))
        radii.append(uncertainty_herding.adapted(pool, sample, 1.0))
    assert radii[0] == 1.0
    assert radii[0] >= radii[1] > radii[2] > 0


def test_labels_that_contradict_what_is_near_make_the_probe_modest():
    clear, muddled = blobs(0, 200, 100), blobs(0, 200, 100)
    rng = np.random.default_rng(9)
    targets = np.where(muddled.labelled, rng.integers(0, 3, 200), -1)
    muddled = Candidates(muddled.embeddings, None, muddled.labelled, muddled.costs, targets)
    assert temperature(muddled) > temperature(clear)


def test_a_part_of_the_images_is_nearly_as_good_as_all_of_them():
    pool = blobs(0, 1000, known=0, d=16)
    every = maxherding.select(pool, 20, np.random.default_rng(0))
    some = maxherding.select(pool, 20, np.random.default_rng(0), reference=200, candidates=400)
    drawn = np.random.default_rng(1).permutation(1000)[:20]
    K = similarity(pool, 1.0)

    def coverage(picks):
        return K[:, picks].max(axis=1).mean()

    assert coverage(every) >= coverage(some) > coverage(drawn)
    assert coverage(every) - coverage(some) < 0.6 * (coverage(every) - coverage(drawn))
    assert len(set(some.tolist())) == 20


def test_more_than_the_candidates_can_be_asked_for():
    pool = blobs(0, 90, known=10)
    picks = maxherding.select(pool, 80, np.random.default_rng(0), reference=20, candidates=30)
    assert sorted(picks.tolist()) == pool.unlabelled.tolist()


def test_what_is_cheap_is_preferred_at_equal_worth():
    X = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    costs = np.array([3, 1, 2, 3, 2, 1], np.float32)
    picks = maxherding.select(Candidates(X, None, np.zeros(6, bool), costs), 2, np.random.default_rng(0))
    assert sorted(picks.tolist()) == [1, 5]


def test_it_reads_a_memory_mapped_file(tmp_path):
    pool = blobs(0, 300, known=20)
    np.save(tmp_path / "x.npy", pool.embeddings)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    on_disk = Candidates(mapped, None, pool.labelled, pool.costs, pool.targets)
    for strategy in (maxherding, uncertainty_herding):
        picks = [strategy.select(p, 30, np.random.default_rng(0)).tolist() for p in (pool, on_disk)]
        assert picks[0] == picks[1]
