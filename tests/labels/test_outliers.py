from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.labels.judge import judge
from assay.labels.outliers import deviations, scores
from tests.labels.conftest import CLASSES

distances = arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 1e6, width=32) | st.just(np.inf))


@given(distances, st.floats(0.5, 20))
def test_a_score_is_in_0_to_1_beyond_one_half_above_the_limit_only_and_grows_with_the_distance(apart, limit):
    z, score = deviations(apart), scores(apart, limit)
    assert ((score >= 0) & (score <= 1)).all()
    apart_from_it = np.abs(z - limit) > 1e-9
    assert ((score > 0.5) == (z > limit))[apart_from_it].all()
    order = np.argsort(np.where(np.isfinite(apart), apart, -1), kind="stable")
    known = order[np.isfinite(apart[order])]
    assert (np.diff(score[known]) >= 0).all()


def test_without_a_spread_or_neighbours_nothing_is_an_outlier():
    assert scores(np.full(9, 2.0, np.float32), 6).tolist() == [0] * 9
    assert scores(np.full(9, np.inf, np.float32), 6).tolist() == [0] * 9
    apart = np.append(np.random.default_rng(0).lognormal(0, 0.1, 200), np.inf).astype(np.float32)
    assert scores(apart, 6)[-1] == 0


def test_images_of_no_class_are_told_from_wrong_labels(plant):
    """Far from all classes: the outlier score has them first, whatever the probability of a wrong label."""
    planted = plant(0.1)
    planted.vectors[:10] = 9 * np.random.default_rng(1).normal(0, 1, (10, 16))
    said = judge(planted.vectors, planted.given, np.arange(len(planted.given)), CLASSES, 0)
    score = scores(said.distance, 6.0)
    assert set(np.argsort(-score)[:10].tolist()) == set(range(10))
    assert (score[:10] > 0.5).all()
    assert score[10:].max() < 0.5
    assert np.median(score) == pytest.approx(0, abs=0.01)
