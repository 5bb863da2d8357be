"""The kinds of errors, one by one and in sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.metrics.detected import Detected
from assay.metrics.detection_errors import KINDS, confusion, costs, error_table, errors_of
from assay.metrics.objects import Detections, Truth, offsets_of

CLASSES = 2


def judged(truth: list[list[tuple]], found: list[list[tuple]]) -> Detected:
    """Images of objects (class, x, width) and detections (class, x, width, score), all ten pixels high."""
    sides = []
    for images in (truth, found):
        rows = [row for image in images for row in image]
        boxes = np.array([(x, 0, width, 10) for _, x, width, *_ in rows], float).reshape(-1, 4)
        classes = np.array([row[0] for row in rows], int)
        sides.append(
            (offsets_of([len(image) for image in images]), classes, boxes, boxes[:, 2] * boxes[:, 3])
        )
    crowd = np.zeros(len(sides[0][1]), bool)
    scores = np.array([row[3] for image in found for row in image], float)
    detections = Detections(*sides[1], scores=scores).best(100)
    return Detected(Truth(*sides[0], crowd=crowd).by_class(), detections, CLASSES, least=0.0)


# a detection that is wrong in one way, beside an object that is found
WRONG = {
    "classification": ([(0, 50, 10)], [(1, 50, 10, 0.8)]),
    "localisation": ([(0, 50, 10)], [(0, 57, 10, 0.8)]),
    "both": ([(0, 50, 10)], [(1, 57, 10, 0.8)]),
    "duplicate": ([], [(0, 0, 9, 0.8)]),
    "background": ([], [(0, 50, 10, 0.8)]),
    "missed": ([(0, 50, 10)], []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_and_costs_what_ap50_gains_without_it(kind):
    truth, found = WRONG[kind]
    others = [(1, 100, 10)], [(1, 100, 10, 0.7)]
    one = judged([[(0, 0, 10), *truth, *others[0]]], [[(0, 0, 10, 0.9), *found, *others[1]]])
    errors = errors_of(one)
    counts = dict(zip(KINDS, errors.counts.tolist(), strict=True))
    assert counts == dict.fromkeys(KINDS, 0) | {kind: 1} | ({"missed": 1} if kind == "both" else {})
    gains = dict(zip(KINDS, costs(one, errors)[0], strict=True))
    perfect = 1 - one.values()["ap50"][0]
    if kind in ("classification", "localisation", "missed"):
        assert gains[kind] == pytest.approx(perfect)
    else:  # what is wrong has a lower score than what is right of class 0, and a higher one than that of class 1
        assert gains[kind] == pytest.approx(0.25 if kind == "both" else 0)
    assert sum(gains.values()) == pytest.approx(gains[kind] + (gains["missed"] if kind == "both" else 0))


def test_of_two_errors_about_one_object_the_better_becomes_right():
    """The other goes; an object that is found already is no longer free."""
    one = judged([[(0, 0, 10)]], [[(0, 7, 10, 0.9), (0, 6, 10, 0.8), (1, 0, 10, 0.7)]])
    errors = errors_of(one)
    assert errors.counts.tolist() == [1, 2, 0, 0, 0, 0]
    assert costs(one, errors)[0][:2] == pytest.approx([0, 1])
    found = judged([[(0, 0, 10)]], [[(0, 7, 10, 0.9), (0, 0, 10, 0.8)]])
    assert costs(found, errors_of(found))[0][1] == pytest.approx(0.5)


def test_confusion_pairs_what_is_left_with_the_nearest_free_object():
    one = judged(
        [[(0, 0, 10), (1, 50, 10), (0, 100, 10)], []],
        [[(0, 0, 10, 0.9), (0, 51, 10, 0.8), (1, 1, 10, 0.7)], [(1, 0, 10, 0.9)]],
    )
    assert confusion(one).tolist() == [[1, 0, 1], [1, 0, 0], [0, 2, 0]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_counts_add_up(seed):
    rng = np.random.default_rng(seed)
    truth, found = (
        [
            [
                (rng.integers(0, CLASSES), *rng.integers(1, 30, 2), rng.random())
                for _ in range(rng.integers(0, 5))
            ]
            for _ in range(4)
        ]
        for _ in range(2)
    )
    one = judged(truth, found)
    hits, errors = int(one.matched.hits[0].sum()), errors_of(one)
    assert hits + errors.counts[:-1].sum() == sum(map(len, found))
    table = confusion(one)
    assert table[:-1].sum() == sum(map(len, truth))
    assert table[:, :-1].sum() == sum(map(len, found))
    assert np.trace(table) == hits


def test_what_errors_cost_has_intervals():
    one = judged(
        [[(0, 0, 10), (1, 50, 10)]] * 20,
        [[(0, 0, 10, 0.9)]] * 10 + [[(0, 0, 10, 0.9), (1, 50, 10, 0.8)]] * 10,
    )
    table = error_table(one)
    assert tuple(table) == KINDS
    assert table["missed"]["low"] < table["missed"]["value"] < table["missed"]["high"]
    assert table["missed"]["n"] == 10
