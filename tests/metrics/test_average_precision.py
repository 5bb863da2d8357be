"""Average precision against pycocotools, to the twelfth decimal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.metrics.average_precision import (
    RECALLS,
    WIDE,
    average_precision,
    best_f1,
    precision_at_recalls,
    rank,
    rank_all,
    recalls_reached,
)
from assay.metrics.matching import SIZES, THRESHOLDS, Matched, box_overlap, match, overlapping
from assay.metrics.objects import MOST, Detections, Truth, offsets_of

CLASSES = 3


@dataclass(frozen=True)
class Case:
    truth: Truth
    detections: Detections
    weights: np.ndarray


def flat(counts: np.ndarray, rng: np.random.Generator, grid: float) -> tuple[Any, ...]:
    """Boxes that overlap much, on a coarse grid: equal overlaps, overlaps at a threshold, areas at a limit of sizes."""
    m = int(counts.sum())
    boxes = np.concatenate([rng.integers(0, 4, (m, 2)), rng.integers(4, 7, (m, 2))], axis=1) * grid
    return offsets_of(counts), rng.integers(0, CLASSES, m), boxes, boxes[:, 2] * boxes[:, 3]


def make(rng: np.random.Generator, crowds: float, levels: int, grid: float) -> Case:
    n = rng.integers(1, 4)
    there, found = rng.integers(0, 12, n), rng.integers(0, 24, n)
    truth = Truth(*flat(there, rng, grid), crowd=rng.random(there.sum()) < crowds)
    scores = rng.integers(1, levels + 1, found.sum()) / levels
    return Case(truth, Detections(*flat(found, rng, grid), scores=scores), rng.integers(0, 4, n))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return make(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        crowds=draw(st.sampled_from([0.3, 0])),
        levels=draw(st.sampled_from([3, 1000])),
        grid=draw(st.sampled_from([8.0, 16.0])),
    )


def matched_of(truth: Truth, detections: Detections, size: str = "all") -> Matched:
    groups = (objects.groups(CLASSES) for objects in (detections, truth))
    pairs = overlapping(*groups, overlap=box_overlap(detections, truth), least=THRESHOLDS[0])
    return match(detections, truth, pairs, CLASSES, size)


def ours(truth: Truth, detections: Detections, weights: np.ndarray, size: str = "all") -> Any:
    """(classes, t, b) average precision and recall."""
    truth, detections = truth.by_class(), detections.best(MOST)
    ranked = rank(detections, truth, matched_of(truth, detections, size), CLASSES)
    found = [average_precision(one, weights) for one in ranked]
    return (np.stack(column) for column in zip(*found, strict=True))


@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_every_class_threshold_and_size_is_that_of_cocoeval(cocoeval, case):
    precision, recall = cocoeval(case.truth, case.detections, CLASSES)
    for k, size in enumerate(SIZES):
        ap, ar = ours(case.truth, case.detections, np.ones((len(case.truth), 1)), size)
        np.testing.assert_allclose(ap[..., 0], precision[..., k], atol=1e-12, rtol=0)
        np.testing.assert_allclose(ar[..., 0], recall[..., k], atol=1e-12, rtol=0)


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_average_precision_is_the_mean_of_the_curve(case):
    truth, detections = case.truth.by_class(), case.detections.best(MOST)
    for one in rank(detections, truth, matched_of(truth, detections), CLASSES):
        precision, _ = average_precision(one, np.ones((len(truth), 1)))
        curve = precision_at_recalls(one, t=5)
        assert (np.diff(curve) <= 0).all()
        assert not len(one.wanted) or curve.mean() == pytest.approx(precision[5, 0])


@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_a_weight_is_that_many_copies_of_the_image(cocoeval, case):
    """Also where equal scores on one image are right in part: COCOeval sees such copies in turn."""
    copies = case.truth.take(np.repeat(np.arange(len(case.truth)), case.weights))
    found = case.detections.take(np.repeat(np.arange(len(case.truth)), case.weights))
    precision, recall = cocoeval(copies, found, CLASSES)
    weights = np.repeat(case.weights[:, None].astype(float), WIDE, axis=1)
    for k, size in enumerate(SIZES):
        ap, ar = ours(case.truth, case.detections, weights, size)
        np.testing.assert_allclose(ap[..., -1], precision[..., k], atol=1e-12, rtol=0)
        np.testing.assert_allclose(ar[..., 0], recall[..., k], atol=1e-12, rtol=0)


@pytest.mark.parametrize(("before", "expected"), [(99, 0.01), (100, 0.0)])
def test_a_hundred_detections_of_a_class_and_image_count(cocoeval, before, expected):
    """The right one comes after `before` wrong ones."""
    box, far = [0.0, 0.0, 40.0, 40.0], [500.0, 0.0, 40.0, 40.0]
    one, none = np.zeros(1, int), np.zeros(1, bool)
    truth = Truth(np.array([0, 1]), one, np.array([box]), np.array([1600.0]), crowd=none)
    boxes, scores = np.array([far] * before + [box]), np.linspace(0.9, 0.1, before + 1)
    classes, areas = np.zeros(before + 1, int), np.full(before + 1, 1600.0)
    detections = Detections(np.array([0, before + 1]), classes, boxes, areas, scores=scores)
    ap, _ = ours(truth, detections, np.ones((1, 1)))
    assert ap[0, 0, 0] == pytest.approx(expected)
    assert ap[0, :, 0] == pytest.approx(cocoeval(truth, detections, CLASSES)[0][0, :, 0])


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_best_f1_is_that_of_trying_every_score(case):
    truth, detections = case.truth.by_class(), case.detections.best(MOST)
    matched = matched_of(truth, detections)
    ranked = rank_all(detections, truth, matched)
    weights = np.stack([case.weights, np.ones_like(case.weights)], axis=1).astype(float)
    found, score = best_f1(ranked, np.repeat(weights, WIDE, axis=1))
    images, wanted = detections.images, truth.images[matched.wanted]
    for column, w in ((0, weights[:, 0]), (-1, weights[:, 1])):
        tried = {
            least: 2 * w[images[matched.hits[0] & on]].sum() / both
            for least in np.unique(detections.scores)
            for on in [detections.scores >= least]
            if (both := w[images[matched.counted[0] & on]].sum() + w[wanted].sum())
        }
        if not w[wanted].sum():
            assert np.isnan(found[column])
        else:
            assert found[column] == pytest.approx(best := max(tried.values(), default=0.0))
            assert best == 0 or tried[score[column]] == pytest.approx(best)


@given(st.integers(1, 400), st.data())
def test_recalls_are_reached_as_cocos_table_has_them(wanted, data):
    """Of 100 objects the 29th reaches .29 and the 57th does not reach .57: the table lies above 57/100."""
    recall = np.array([data.draw(st.integers(0, wanted)) / wanted])
    assert recalls_reached(recall)[0] == np.searchsorted(RECALLS, recall[0], "right")
