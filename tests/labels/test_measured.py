from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.labels.measured import calibration, drawn, why


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), max_size=60), st.integers(1, 80))
def test_as_many_as_asked_for_are_drawn_each_once(chances, count):
    rows = drawn(np.array(chances), count, 0)
    assert len(rows) == min(count, len(chances)) == len(set(rows.tolist()))


def test_open_answers_are_asked_for_more_often_than_their_share():
    chances = np.concatenate([np.full(900, 0.001), np.full(100, 0.5)])
    rows = drawn(chances, 50, 0)
    assert 20 < (rows >= 900).sum() < 45


@pytest.mark.parametrize(("said", "true"), [(0.9, 0.07), (0.3, 0.6)])
def test_fifty_looks_put_wrong_probabilities_right(said, true):
    """What was called 90 % wrong was so in 7 of 100: as it was on photographs."""
    rng = np.random.default_rng(0)
    happened = rng.random(2000) < true
    chances = np.full(2000, said)
    rows = drawn(chances, 50, 0)
    found, (low, high) = calibration(chances[rows], happened[rows]).of(chances)
    assert found.mean() == pytest.approx(true, abs=0.15)
    assert low <= happened.mean() <= high


def test_where_nothing_was_wrong_nothing_may_be():
    chances = np.linspace(0, 0.6, 500)
    rows = drawn(chances, 50, 0)
    found, (low, high) = calibration(chances[rows], np.zeros(50, bool)).of(chances)
    assert low == 0
    assert high < 0.1
    assert (np.diff(found) >= 0).all(), "the order stays"


def test_the_label_that_was_looked_at_is_in_the_answer():
    assert why("it's a 'cat'") == "audit check: labelled 'it's a 'cat''"
