from __future__ import annotations

import numpy as np
import pytest

from assay.advice.suspects import find, folds, judgeable


def beliefs(right: np.ndarray, classes: int, sharp: float, rng: np.random.Generator) -> np.ndarray:
    """Probabilities of a model that tends to the right class."""
    logits = rng.normal(0, 1, (len(right), classes)) + sharp * np.eye(classes)[right]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize("wrong", [0.0, 0.1, 0.3])
def test_planted_wrong_labels_are_found_and_their_share_is_within_the_interval(wrong):
    rng = np.random.default_rng(1)
    right = rng.integers(0, 5, 2000)
    flip = rng.random(2000) < wrong
    given = np.where(flip, (right + rng.integers(1, 5, 2000)) % 5, right)
    found = find(beliefs(right, 5, 7.0, rng), given, 0)
    value, low, high = found.rate
    assert low - 0.01 <= flip.mean() <= high + 0.01
    assert value == pytest.approx(flip.mean(), abs=0.02)
    if wrong:
        assert flip[found.rows].mean() > 0.95
        assert len(found) > 0.8 * flip.sum()
        assert (found.suggested == right[found.rows]).mean() > 0.95
        assert (np.diff(found.score) <= 0).all()


def test_a_class_that_nobody_has_suspects_nobody():
    chances = np.full((6, 3), 0.1)
    chances[:, 2] = 0.8
    found = find(chances, np.array([0, 0, 0, 1, 1, 1]), 0)
    assert len(found) == 0
    assert found.rate[1] == 0, "none may be wrong"


def test_groups_stay_in_one_fold_and_classes_are_spread():
    targets, groups = np.arange(90) % 3, np.arange(90) // 5
    fold = folds(targets, groups, 4, seed=0)
    assert all(len(set(fold[groups == g])) == 1 for g in range(18))
    assert set(fold) == {0, 1, 2, 3}
    assert all(len(set(folds(targets, np.arange(90), 4, 0)[targets == k])) == 4 for k in range(3))


def test_who_has_never_seen_another_of_the_class_is_no_judge():
    targets, fold = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 0, 1])
    assert judgeable(targets, fold).tolist() == [True, True, False, False, False]
