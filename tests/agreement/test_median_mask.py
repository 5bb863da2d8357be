"""The consensus of several masks of one object."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.agreement.median_mask import median_mask
from assay.data.masks import decode, encode

masks = st.lists(arrays(bool, (7, 9)).filter(np.any), min_size=1, max_size=5)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    ys, xs = np.mgrid[:40, :40]
    found: np.ndarray = (xs - x) ** 2 + (ys - y) ** 2 < radius**2
    return found


def median(*said: np.ndarray) -> np.ndarray:
    found = median_mask([encode(one) for one in said])
    return decode(found) if found else np.zeros_like(said[0])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@settings(deadline=None)
@given(masks)
def test_it_holds_what_all_marked_and_nothing_that_nobody_did(said):
    found = median(*said)
    assert not (np.all(said, axis=0) & ~found).any()
    assert not (found & ~np.any(said, axis=0)).any()
    np.testing.assert_array_equal(found, median(*said[::-1]))


@settings(deadline=None)
@given(masks.filter(lambda said: len(said) % 2 == 1))
def test_of_an_odd_number_it_is_the_majority_of_each_pixel(said):
    np.testing.assert_array_equal(median(*said), 2 * np.sum(said, axis=0) > len(said))


def test_of_two_it_lies_between_them_where_the_majority_is_their_intersection():
    found = median(disc(20, 20, 8), disc(20, 20, 12))
    assert iou(found, disc(20, 20, 10)) > 0.95


def test_it_is_nearer_to_the_truth_than_the_best_of_the_masks():
    rng, ahead = np.random.default_rng(0), []
    for _ in range(30):
        said = [disc(20 + rng.normal(0, 1), 20 + rng.normal(0, 1), 10 + rng.normal(0, 1)) for _ in range(4)]
        sums = [sum(iou(one, other) for other in said) for one in said]
        truth = disc(20, 20, 10)
        ahead.append(iou(median(*said), truth) - iou(said[int(np.argmax(sums))], truth))
    assert np.mean(ahead) > 0.01


def test_one_outline_that_is_far_off_does_not_move_it():
    good = disc(20, 20, 8)
    assert iou(median(good, good, disc(25, 20, 14)), good) == 1.0
