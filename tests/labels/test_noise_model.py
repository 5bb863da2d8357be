from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.labels import noise_model
from assay.labels.judge import explain
from tests.labels.conftest import CLASSES, alike, to_the_next


def sharp(right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Beliefs that tend to the right class, and know how sure they are."""
    logits = rng.normal(0, 1, (len(right), CLASSES)) + 5 * np.eye(CLASSES)[right]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize(("flip", "share"), [(alike, 0.0), (alike, 0.1), (alike, 0.4), (to_the_next, 0.3)])
def test_the_share_of_wrong_labels_is_recovered_with_its_interval(flip, share):
    rng = np.random.default_rng(0)
    right = rng.integers(0, CLASSES, 4000)
    given = flip(right, share, rng)
    said, found = explain(sharp(right, rng), given, 0)
    assert 1 - said[np.arange(4000), given].mean() == pytest.approx(share, abs=0.04)
    assert found.low - 0.03 <= share <= found.high + 0.03
    assert found.low == 0 if share == 0 else found.low > 0.02


def test_a_free_kernel_is_used_only_where_held_out_labels_are_likelier_for_it():
    """By beliefs that were learnt from such labels."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, CLASSES, 4000)
    next_one = 0.8 * np.eye(CLASSES) + 0.2 * np.roll(np.eye(CLASSES), 1, axis=1)
    clear = sharp(right, rng)
    beliefs = noise_model.logs_of(clear @ next_one)
    free = noise_model.free_kernel(beliefs, to_the_next(right, 0.2, rng), 0)
    assert free is not None
    assert free.matrix[0, 1] > 0.6 > free.matrix[0, 2]
    assert noise_model.free_kernel(noise_model.logs_of(clear), alike(right, 0.2, rng), 0) is None


def test_blurred_beliefs_are_no_errors():
    """Half of the images are a toss-up between two classes: hard, and labelled rightly."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, CLASSES, 4000)
    beliefs = sharp(right, rng)
    pair = np.eye(CLASSES)[right] + np.eye(CLASSES)[(right + rng.choice([1, 4], 4000)) % CLASSES]
    beliefs[:2000] = 0.49 * pair[:2000] + 0.02 / CLASSES
    said, found = explain(beliefs, right, 0)
    assert 1 - said[np.arange(4000), right].mean() < 0.02
    assert found.low == 0


def test_beliefs_that_are_never_sure_cannot_tell():
    """Right labels and a model that knows little: the share may be nothing or much, and no label is called wrong."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, CLASSES, 2000)
    logits = rng.normal(0, 1, (2000, CLASSES)) + 0.7 * np.eye(CLASSES)[right]
    beliefs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    said, found = explain(beliefs, right, 0)
    assert found.low == 0
    assert found.high > 0.1
    assert (said[np.arange(2000), right] < 0.1).mean() <= 0.001


def test_probabilities_are_probabilities():
    rng = np.random.default_rng(0)
    beliefs = np.zeros((50, CLASSES))
    beliefs[:, 0] = 1
    given = rng.integers(0, CLASSES, 50)
    said, found = explain(beliefs, given, 0)
    assert np.isfinite(said).all()
    assert np.allclose(said.sum(1), 1)
    assert 0 <= found.low <= found.high <= 1


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.6), st.floats(0.8, 4.5), st.floats(0, 1), st.integers(0, 99))
def test_the_likelihood_of_a_label_is_the_sum_over_the_right_classes(share, exponent, alike_weight, seed):
    rng = np.random.default_rng(seed)
    given_labels = rng.integers(0, CLASSES, 40)
    logs = noise_model.logs_of(sharp(rng.integers(0, CLASSES, 40), rng))
    found = noise_model.surface(
        logs, given_labels, np.array([exponent]), np.array([share]), np.array([alike_weight])
    )
    q = noise_model.sharpened(logs, exponent)
    one = noise_model.kernel(q, alike_weight)
    more = noise_model.harder(found.unsure[0]) * one.harder * share**0.5
    chances = noise_model.joint(q, given_labels, one, share, more, fails=0.0)
    likely = np.maximum(chances.sum(1), noise_model.LEAST_LIKELY)
    assert np.log(likely).sum() == pytest.approx(found.loglik.item(), rel=1e-6)
