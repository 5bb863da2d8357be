"""Numbers of objects that a detector's scores lead to expect."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from assay.metrics.detection import judge
from assay.metrics.object_counts import LEAST, calibrate, found_per_expected, objects_on, uncalibrated
from assay.metrics.objects import read_detections

CLASSES = ("cell", "platelet", "worm")
EACH = pa.list_(pa.list_(pa.float32(), 4))


def drawn(n: int, seed: int) -> tuple[pa.Table, list[str]]:
    """Images with up to 20 cells, 70 % of which are found, and detections of nothing; worms never are."""
    rng, labels, boxes, scores, classes = np.random.default_rng(seed), [], [], [], []
    for _ in range(n):
        kinds = rng.choice(3, rng.integers(0, 21), p=[0.7, 0.2, 0.1])
        there = [[20.0 * k, 0.0, 10.0, 10.0] for k in range(len(kinds))]
        notes = [{"bbox": box, "category": CLASSES[k]} for box, k in zip(there, kinds, strict=True)]
        labels.append(json.dumps(notes))
        seen = [k for k in range(len(kinds)) if kinds[k] < 2 and rng.random() < 0.7]
        nothing = [[20.0 * k, 100.0, 10.0, 10.0] for k in range(rng.integers(0, 81))]
        boxes.append([there[k] for k in seen] + nothing)
        scores.append([rng.beta(8, 4) for _ in seen] + [rng.beta(2, 4) for _ in nothing])
        classes.append([int(kinds[k]) for k in seen] + rng.integers(0, 2, len(nothing)).tolist())
    columns = {"boxes": pa.array(boxes, EACH), "scores": pa.array(scores, pa.list_(pa.float32()))}
    return pa.table({**columns, "classes": pa.array(classes, pa.list_(pa.int32()))}), labels


def test_as_many_objects_are_expected_as_there_are_on_images_that_it_was_not_calibrated_on():
    seen, new = (judge(*(t, CLASSES, labels, CLASSES)) for t, labels in (drawn(150, 0), drawn(150, 1)))
    there, expected = objects_on(new).sum(0), calibrate(seen).of(new.detections).sum(0)
    assert expected[:2] == pytest.approx(there[:2], rel=0.1)
    assert expected[2] == pytest.approx(there[2], rel=0.3), "their mean: no detection speaks of them"
    raw = uncalibrated(3).of(new.detections)
    assert raw.sum(0)[0] > 1.4 * there[0], "the sum of the scores is too many"
    assert raw == pytest.approx(np.stack([_sums(new, k) for k in range(3)], 1))


def _sums(judged, k: int) -> np.ndarray:
    of_class = judged.detections.classes == k
    return np.bincount(
        judged.detections.images[of_class], judged.detections.scores[of_class], minlength=len(judged)
    )


def test_on_the_labelled_images_themselves_they_are_as_many_exactly():
    judged = judge(drawn(40, 3)[0], CLASSES, drawn(40, 3)[1], CLASSES)
    counts = calibrate(judged)
    assert counts.of(judged.detections).sum(0) == pytest.approx(objects_on(judged).sum(0))
    assert len(counts.scores[2]) == 0, "no worm is ever found: their mean is expected"


def test_the_order_of_images_follows_their_objects_better_than_before():
    """What is below any right detection stands for nothing: an empty image is not taken for a crowded one."""
    seen, new = (judge(*(t, CLASSES, labels, CLASSES)) for t, labels in (drawn(150, 0), drawn(150, 1)))
    there = objects_on(new)[:, :2].sum(1)
    ours, raw = (c.of(new.detections)[:, :2].sum(1) for c in (calibrate(seen), uncalibrated(3)))
    assert np.corrcoef(ours, there)[0, 1] > np.corrcoef(raw, there)[0, 1]


def test_a_few_labelled_images_calibrate_nothing():
    few = judge(drawn(LEAST - 1, 0)[0], CLASSES, drawn(LEAST - 1, 0)[1], CLASSES)
    assert calibrate(few).of(few.detections) == pytest.approx(uncalibrated(3).of(few.detections))
    assert found_per_expected(few, 0)["value"] is None


def test_the_ratio_has_an_interval_that_contains_what_it_should():
    """In 19 of 20 draws: here in at least 17."""
    inside = 0
    for seed in range(20):
        ratio = found_per_expected(judge(*_known(drawn(60, seed))), seed)
        assert ratio["n"] == 60
        inside += ratio["low"] <= 1 <= ratio["high"]
    assert inside >= 17


def _known(made):
    table, labels = made
    return table, CLASSES, labels, CLASSES


def test_detections_are_read_of_the_classes_of_the_model():
    table, labels = drawn(30, 5)
    judged = judge(table, CLASSES, labels, (*CLASSES, "new"))
    found = calibrate(judged).of(read_detections(table, np.arange(3)))
    assert found.shape == (30, 4)
    assert found[:, 3].sum() == 0, "of a class that the model does not know, and nobody has labelled"
