from __future__ import annotations

import numpy as np
import pytest

from assay.label_audit import noise_model
from tests.label_audit.conftest import CLASSES, alike, to_the_next


def sharp(right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Beliefs that tend to the right class, and know how sure they are."""
    logits = rng.normal(0, 1, (len(right), CLASSES)) + 5 * np.eye(CLASSES)[right]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize(("flip", "share"), [(alike, 0.1), (alike, 0.4), (to_the_next, 0.3)])
def test_the_share_and_the_kind_of_errors_are_recovered(flip, share):
    rng = np.random.default_rng(0)
    right = rng.integers(0, CLASSES, 4000)
    given = flip(right, share, rng)
    model = noise_model.fit(sharp(right, rng), given)
    assert model.wrong == pytest.approx(share, abs=0.02)
    expected = noise_model.even(CLASSES, share)
    if flip is to_the_next:
        expected = (1 - share) * np.eye(CLASSES) + share * np.roll(np.eye(CLASSES), 1, axis=1)
    free = noise_model.fit(sharp(right, rng), given, alike=0.0)
    assert np.abs(free.transition - expected).max() < 0.05


def test_errors_that_are_alike_are_told_from_those_that_are_not():
    """By beliefs that were learnt from such labels."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, CLASSES, 4000)
    next_one = 0.8 * np.eye(CLASSES) + 0.2 * np.roll(np.eye(CLASSES), 1, axis=1)
    clear = sharp(right, rng)
    one = noise_model.fit(clear @ noise_model.even(CLASSES, 0.2), alike(right, 0.2, rng))
    other = noise_model.fit(clear @ next_one, to_the_next(right, 0.2, rng))
    assert other.alike < 0.5 < one.alike
    assert other.transition[0, 1] > 0.1 > other.transition[0, 2]


def test_blurred_beliefs_are_no_errors():
    """Half of the images are a toss-up between two classes: hard, and labelled rightly."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, CLASSES, 4000)
    beliefs = sharp(right, rng)
    pair = np.eye(CLASSES)[right] + np.eye(CLASSES)[(right + rng.choice([1, 4], 4000)) % CLASSES]
    beliefs[:2000] = 0.49 * pair[:2000] + 0.02 / CLASSES
    said = noise_model.posterior(noise_model.fit(beliefs, right), beliefs, right)
    assert 1 - said[np.arange(4000), right].mean() < 0.06


def test_probabilities_are_probabilities():
    rng = np.random.default_rng(0)
    beliefs = np.zeros((50, CLASSES))
    beliefs[:, 0] = 1
    given = rng.integers(0, CLASSES, 50)
    said = noise_model.posterior(noise_model.fit(beliefs, given), beliefs, given)
    assert np.isfinite(said).all()
    assert np.allclose(said.sum(1), 1)
