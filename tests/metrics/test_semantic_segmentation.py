"""Pixels of classes: against scikit-learn on all pixels together."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from assay.data.masks import encode
from assay.metrics.annotated import pixels_of
from assay.metrics.judged import compare, measure
from assay.metrics.semantic_segmentation import METRICS, PixelsClassified, edge, judge, within

CLASSES = ("road", "tree", "sky")
SHAPE = (24, 32)


def maps(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Label maps (n, height, width), 0 for background, and predictions that are off by noise and a shift."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (n, 3, 4))
    there = np.kron(coarse, np.ones((8, 8), int))
    found = np.roll(there, 1, axis=2)
    wrong = rng.random(found.shape) < 0.02
    return there, np.where(wrong, rng.integers(0, 4, found.shape), found)


def masks(label_map: np.ndarray) -> dict[int, dict]:
    return {k - 1: encode(label_map == k).model_dump(mode="json") for k in np.unique(label_map) if k}


def judged(there: np.ndarray, found: np.ndarray, crowd: dict | None = None) -> PixelsClassified:
    said = [masks(one) for one in found]
    table = pa.table(
        {
            "predicted": [", ".join(CLASSES[k] for k in one) for one in said],
            "classes": pa.array([list(one) for one in said], pa.list_(pa.int32())),
            "masks": pa.array([[m["counts"] for m in one.values()] for one in said], pa.list_(pa.string())),
            "height": [SHAPE[0]] * len(said),
            "width": [SHAPE[1]] * len(said),
            "expected_iou": [0.5] * len(said),
        }
    )
    rows = [[{"category": CLASSES[k], "segmentation": m} for k, m in masks(one).items()] for one in there]
    return judge(table, CLASSES, [json.dumps(row + ([crowd] if crowd else [])) for row in rows], CLASSES)


def test_classes_are_as_in_scikit_learn():
    there, found = maps(6, 0)
    classes = judged(there, found).of_classes()
    y, p = there.ravel(), found.ravel()
    for k in range(2):
        assert classes["iou"][0, k] == pytest.approx(reference.jaccard_score(y == k + 1, p == k + 1))
        assert classes["dice"][0, k] == pytest.approx(reference.f1_score(y == k + 1, p == k + 1))
    assert np.isnan(classes["iou"][0, 2])  # predicted here and there, but on no image


@settings(max_examples=20, deadline=None)
@given(weights=st.lists(st.integers(0, 3), min_size=6, max_size=6).filter(any))
def test_weights_are_how_often_an_image_is_there(weights):
    one = judged(*maps(6, 0))
    again = one.take(np.repeat(np.arange(6), weights))
    for metric, values in one.values(np.array([weights], np.float32)).items():
        assert values == pytest.approx(again.values()[metric], nan_ok=True)


def test_metrics_have_intervals_and_a_model_is_no_better_than_itself():
    one = judged(*maps(12, 1))
    rows = measure(one, 100, 0)
    assert tuple(rows) == METRICS
    assert all(0 < row["low"] < row["value"] < row["high"] < 1 for row in rows.values())
    assert {row["value"] for row in compare(one, one, 50, 0)["difference"].values()} == {0.0}
    assert 0 < one.quality.min() <= one.quality.max() < 1
    assert one.per_class(CLASSES)["road"]["dice"]["value"] > one.per_class(CLASSES)["road"]["iou"]["value"]
    there, _ = maps(3, 1)
    assert {float(value[0]) for value in judged(there, there).values().values()} == {1.0}


def test_boundaries_agree_within_a_share_of_the_diagonal():
    """An edge at 10 and one at 11 are a pixel apart: near. At 13 they are not."""
    there = np.zeros((1, *SHAPE), int)
    there[0, :, 10:] = 1
    for shift, expected in ((1, 1.0), (3, 0.0)):
        found = np.zeros_like(there)
        found[0, :, 10 + shift :] = 1
        assert judged(there, found).values()["boundary_f1"][0] == expected
    assert edge(there[0] == 1).sum() == SHAPE[0]  # none at the border of the image
    assert within(edge(there[0] == 1)).sum() == 3 * SHAPE[0]


def test_a_crowd_region_is_left_out_and_nothing_is_right_where_nothing_is():
    there, found = np.zeros((2, 1, *SHAPE), int)
    there[0, :, :16], found[0, :, :20] = 1, 1
    void = np.zeros(SHAPE, bool)
    void[:, 16:20] = True
    crowd = {"category": "tree", "iscrowd": True, "segmentation": encode(void).model_dump(mode="json")}
    assert judged(there, found).of_classes()["iou"][0, 0] == pytest.approx(0.8)
    assert judged(there, found, crowd).of_classes()["iou"][0, 0] == 1
    empty = judged(np.zeros_like(there), np.zeros_like(there))
    assert empty.quality.tolist() == [1]
    assert all(np.isnan(value[0]) for value in empty.values().values())


def test_patches_are_right_where_half_of_their_pixels_are():
    there, found = np.zeros((2, 1, *SHAPE), int)
    there[0, 2:10, 2:10] = 1
    found[0, 2:10, 4:12] = 1  # three quarters
    found[0, 16:20, 16:24] = 1  # nothing of it
    found[0, 20:22, :3] = 2  # a class that is not there
    marks = judged(there, found).objects_on(0)
    assert [(mark.kind, mark.box) for mark in marks] == [
        ("given", (2, 2, 8, 8)),
        ("right", (4, 2, 8, 8)),
        ("wrong", (16, 16, 8, 4)),
        ("wrong", (0, 20, 3, 2)),
    ]
    assert pixels_of(marks[1].mask).sum() == 64
    assert judged(there[:, :], np.zeros_like(there)).objects_on(0) == marks[:1]
