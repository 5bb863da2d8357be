from __future__ import annotations

import numpy as np
import pytest

from assay.strategies import Candidates, badge


def pool(n=40, d=3, classes=4, labelled=(), seed=0) -> Candidates:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), n).astype(np.float32)
    known = np.isin(np.arange(n), labelled)
    probabilities[known] = np.nan
    return Candidates(
        rng.normal(size=(n, d)).astype(np.float32), probabilities, known, np.ones(n, np.float32)
    )


def gradients(pool) -> np.ndarray:
    """(n, classes · d) written out: the gradient of the cross-entropy of the likeliest class by the last layer."""
    p = pool.probabilities.astype(np.float64)
    errors = p - np.eye(p.shape[1])[p.argmax(axis=1)]
    return np.einsum("nc,nd->ncd", errors, pool.embeddings).reshape(len(p), -1)


def choose(pool, budget, seed=0):
    return badge.select(pool, budget, np.random.default_rng(seed)).tolist()


def test_the_distances_are_those_of_the_gradients_written_out():
    some = pool()
    G = gradients(some)
    rows = np.arange(40)
    between = badge.Gradients(some).between(rows, rows)
    np.testing.assert_allclose(between, ((G[:, None] - G) ** 2).sum(axis=2), rtol=1e-6, atol=1e-9)
    assert (badge.Gradients(some).at_most(rows, 7) >= between[:, 7]).all()


def test_the_longest_gradient_is_first_and_labelled_images_are_left_out():
    G = gradients(pool())
    longest = int((G**2).sum(axis=1).argmax())
    assert choose(pool(), 1) == [longest]
    assert longest not in choose(pool(labelled=[longest]), 39)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_the_next_is_drawn_by_its_squared_distance(turn, monkeypatch):
    """Given those before it, each image as often as D² says: χ² over some thousand draws of the pick at `turn`."""
    monkeypatch.setattr(badge, "FEW", 3)  # several draws from one table of bounds, and many tables
    few = pool(n=6, seed=3)
    G = gradients(few)
    counts: dict[tuple[int, ...], np.ndarray] = {}
    for seed in range(1500):
        picks = choose(few, turn + 1, seed)
        counts.setdefault(tuple(picks[:turn]), np.zeros(6))[picks[turn]] += 1
    deviation, freedom = 0.0, 0
    for before, seen in counts.items():
        gaps = ((G[:, None] - G[list(before)]) ** 2).sum(axis=2).min(axis=1)
        expected = gaps / gaps.sum() * seen.sum()
        likely = expected > 5
        deviation += ((seen - expected)[likely] ** 2 / expected[likely]).sum()
        freedom += likely.sum() - 1
        assert seen[list(before)].sum() == 0
    assert deviation < freedom + 4 * np.sqrt(2 * freedom)


def test_bringing_the_bounds_up_to_date_changes_no_distribution(monkeypatch):
    """With copies of few images nearly every draw is refused, until all bounds are brought up to date."""
    rng = np.random.default_rng(1)
    which = rng.integers(0, 30, 4000)
    few = pool(n=30, seed=5)
    copies = Candidates(
        few.embeddings[which], few.probabilities[which], np.zeros(4000, bool), np.ones(4000, np.float32)
    )
    picks = choose(copies, 40)
    assert len({which[p] for p in picks[:30]}) == 30
    assert len(set(picks)) == 40


def test_the_explanation_is_the_distance_to_those_before():
    some = pool()
    picks = np.array(choose(some, 5))
    G = gradients(some)
    told = badge.explain(some, picks, ["a", "b", "c", "d"])
    assert told[0][0] == pytest.approx(np.linalg.norm(G[picks[0]]))
    gaps = [min(np.linalg.norm(G[p] - G[q]) for q in picks[:t]) for t, p in enumerate(picks) if t]
    assert [score for score, _ in told[1:]] == pytest.approx(gaps)
    assert " or " in told[0][1]
