"""The audit of objects on scenes whose labels are right, and on the same scenes with known errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.labels.objects.places import places
from assay.labels.objects.suspicions import (
    KINDS,
    MISSED,
    MOVED,
    SPURIOUS,
    SWAPPED,
    Suspicions,
    cannot_tell,
    suspicions,
)
from assay.metrics.matching import box_overlap
from assay.metrics.objects import Detections, Truth, offsets_of

CLASSES = 3


def boxes(corners) -> np.ndarray:
    return np.array(corners, np.float64).reshape(-1, 4)


def truth_of(counts, corners, classes, crowd=None) -> Truth:
    there = boxes(corners)
    crowds = np.zeros(len(there), bool) if crowd is None else np.array(crowd, bool)
    return Truth(
        offsets_of(counts), np.array(classes, np.int64), there, there[:, 2] * there[:, 3], crowd=crowds
    )


def found_of(counts, corners, classes, scores) -> Detections:
    there = boxes(corners)
    return Detections(
        offsets_of(counts),
        np.array(classes, np.int64),
        there,
        there[:, 2] * there[:, 3],
        scores=np.array(scores, np.float64),
    )


def scene(n: int = 60, seed: int = 0) -> tuple[Detections, Truth]:
    """n images with four objects each on a grid, and a good detector: sharp boxes, few false ones, of low scores."""
    rng = np.random.default_rng(seed)
    corner = np.array([[0, 0], [100, 0], [0, 100], [100, 100]], float)
    right = np.concatenate([np.hstack([corner, np.full((4, 2), 40.0)]) for _ in range(n)])
    classes = rng.integers(0, CLASSES, len(right))
    near = right + rng.normal(0, 1.5, right.shape)
    scores = rng.beta(12, 2, len(right))
    false = np.hstack([rng.uniform(45, 55, (n, 2)), np.full((n, 2), 40.0)])
    counts = np.full(n, 5)
    order = np.argsort(np.concatenate([np.repeat(np.arange(n), 4), np.arange(n)]), kind="stable")
    found = found_of(
        counts,
        np.concatenate([near, false])[order],
        np.concatenate([classes, rng.integers(0, CLASSES, n)])[order],
        np.concatenate([scores, rng.beta(1, 12, n)])[order],
    )
    return found, truth_of(np.full(n, 4), right, classes)


def audit(found: Detections, truth: Truth) -> Suspicions:
    return suspicions(found, truth, box_overlap(found, truth), CLASSES, 0)


def test_right_labels_are_hardly_suspected():
    assert audit(*scene()).probabilities.max() <= 0.5


def dropped(truth: Truth, rows) -> Truth:
    return truth.pick(np.setdiff1d(np.arange(len(truth.classes)), rows))


@pytest.mark.parametrize("kind", [MISSED, SPURIOUS, SWAPPED, MOVED])
def test_planted_errors_come_first_with_what_to_do(kind):
    found, truth = scene()
    wrong = np.arange(0, 240, 30)
    if kind == MISSED:
        planted = dropped(truth, wrong)
    elif kind == SPURIOUS:
        corners = truth.boxes.copy()
        corners[wrong] = [50, 200, 30, 30]
        planted, found = (
            replace(truth, boxes=corners),
            found.pick(np.setdiff1d(np.arange(300), wrong * 5 // 4)),
        )
    elif kind == SWAPPED:
        classes = truth.classes.copy()
        classes[wrong] = (classes[wrong] + 1) % CLASSES
        planted = replace(truth, classes=classes)
    else:
        corners = truth.boxes.copy()
        corners[wrong, 0] += 15
        planted = replace(truth, boxes=corners)
    said = audit(found, planted)
    first = said.pick(np.flatnonzero(said.kinds == kind)[: len(wrong)])
    assert first.probabilities.min() >= 0.04, KINDS[kind]
    assert set(first.images.tolist()) == set((wrong // 4).tolist())
    if kind in (MISSED, SWAPPED):
        images, corners = truth.images[wrong], truth.boxes[wrong, :2]
        right = {
            (i, tuple(at)): k for i, at, k in zip(images, corners.tolist(), truth.classes[wrong], strict=True)
        }
        for image, detection, suggested in zip(first.images, first.detections, first.classes, strict=True):
            at = tuple(np.round(found.boxes[detection, :2], -2) + 0.0)
            assert right[image, at] == suggested


def test_many_dropped_labels_are_claimed_with_more_than_a_half():
    found, truth = scene(120)
    said = audit(found, dropped(truth, np.arange(0, 480, 6)))
    assert said.probabilities[said.kinds == MISSED][:40].min() > 0.5


def test_an_image_scores_as_its_most_probable_error():
    said = audit(*scene())
    scores = said.of_images(60)
    assert scores[said.images[0]] == said.probabilities[0] == scores.max()


def test_nothing_found_and_nothing_labelled_are_no_evidence():
    found, truth = scene()
    none = found.pick(np.zeros(0, np.int64))
    assert len(audit(none, truth)) == 0
    empty = truth.pick(np.zeros(0, np.int64))
    assert len(audit(none, empty)) == 0
    assert set(audit(found, empty).kinds.tolist()) <= {MISSED}


def test_a_crowd_region_is_neither_suspected_nor_a_reason():
    found, truth = scene()
    crowd = np.zeros(240, bool)
    crowd[::30] = True
    assert not np.isin(audit(found, replace(truth, crowd=crowd)).labels, np.flatnonzero(crowd)).any()
    seen = places(
        found, replace(truth, crowd=crowd), box_overlap(found, replace(truth, crowd=crowd)), CLASSES
    )
    assert seen.doubtful.sum() == 8


def test_a_second_detection_of_an_object_is_no_missed_one():
    truth = truth_of([1], [[0, 0, 40, 40]], [0])
    found = found_of([2], [[0, 0, 40, 40], [0, 13, 40, 40]], [0, 0], [0.9, 0.8])
    seen = places(found, truth, box_overlap(found, truth), CLASSES)
    assert seen.labels.tolist() == [0, -1]
    assert seen.doubtful.tolist() == [False, True]


def test_detections_of_two_classes_at_one_place_are_one_place():
    truth = truth_of([1], [[0, 0, 40, 40]], [1])
    found = found_of([2], [[0, 0, 40, 40], [0, 2, 40, 40]], [0, 1], [0.9, 0.3])
    seen = places(found, truth, box_overlap(found, truth), CLASSES)
    assert seen.scores.tolist() == [[0.9, 0.3, 0.0]]
    assert seen.labels.tolist() == [0]


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_the_labels_of_an_image_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    found, truth = scene(20)
    truth = dropped(truth, rng.choice(80, 6, replace=False))
    order = np.lexsort((rng.random(len(truth.classes)), truth.images))
    one, other = audit(found, truth), audit(found, truth.pick(order))

    def said(ones: Suspicions, back: np.ndarray) -> list[tuple[float, ...]]:
        labels = np.append(back, -1)[ones.labels]
        columns = (ones.probabilities.round(9), ones.kinds, ones.images, labels, ones.detections)
        return sorted(zip(*(column.tolist() for column in columns), strict=True))

    assert said(one, np.arange(len(order))) == said(other, order)


@given(st.floats(0, 1e6))
def test_what_cannot_be_told_is_never_likelier_than_not(bound):
    chance = float(cannot_tell(np.array([bound]))[0])
    assert 0 <= chance <= 0.5
    assert chance >= float(cannot_tell(np.array([bound + 1]))[0])
