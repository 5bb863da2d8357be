"""Masks matched as COCOeval matches them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.masks import encode
from assay.metrics.instance_segmentation import Segmented, judge
from assay.metrics.judged import measure
from assay.tasks.detection import in_words

CLASSES = ("cell", "debris")
HEIGHT, WIDTH = 30, 40


def blob(rng: np.random.Generator) -> np.ndarray:
    """A rectangle with a corner bitten out."""
    x, y, across, down = rng.integers(0, 20, 2).tolist() + rng.integers(3, 12, 2).tolist()
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + down, x : x + across] = True
    mask[y : y + down // 2, x : x + across // 2] = False
    return mask


def drawn(n: int, seed: int) -> tuple[pa.Table, list[str]]:
    """Masks on n images, and what finds most of them a pixel or two beside."""
    rng, labels = np.random.default_rng(seed), []
    columns: dict[str, list] = {name: [] for name in ("predicted", "boxes", "scores", "classes", "masks")}
    for _ in range(n):
        masks = [blob(rng) for _ in range(rng.integers(0, 5))]
        names = rng.choice(CLASSES, len(masks)).tolist()
        labels.append(
            json.dumps(
                [
                    {
                        "category": name,
                        "segmentation": encode(mask).model_dump(mode="json"),
                        "iscrowd": rng.random() < 0.15,
                    }
                    for name, mask in zip(names, masks, strict=True)
                ]
            )
        )
        found = [
            np.roll(mask, rng.integers(-1, 2, 2), (0, 1)) for mask in masks for _ in range(rng.integers(0, 3))
        ]
        found += [blob(rng) for _ in range(rng.integers(0, 2))]
        classes = rng.integers(0, 2, len(found)).tolist()
        columns["predicted"].append(in_words(classes, CLASSES))
        columns["boxes"].append([(0.0, 0.0, 1.0, 1.0)] * len(found))
        columns["scores"].append((rng.integers(1, 9, len(found)) / 8).tolist())
        columns["classes"].append(classes)
        columns["masks"].append([encode(mask).counts for mask in found])
    types = {"boxes": pa.list_(pa.list_(pa.float32(), 4)), "scores": pa.list_(pa.float32())}
    types |= {"classes": pa.list_(pa.int32()), "masks": pa.list_(pa.string())}
    arrays = {name: pa.array(column, types.get(name)) for name, column in columns.items()}
    return pa.table({**arrays, "height": [HEIGHT] * n, "width": [WIDTH] * n}), labels


def table_of(images: list[list[str]]) -> pa.Table:
    """Masks of the class `cell` found on each image."""
    return pa.table(
        {
            "predicted": [f"{len(masks)} cell" for masks in images],
            "boxes": pa.array([[(0, 0, 1, 1)] * len(m) for m in images], pa.list_(pa.list_(pa.float32(), 4))),
            "scores": [[0.9] * len(masks) for masks in images],
            "classes": [[0] * len(masks) for masks in images],
            "masks": images,
            "height": [HEIGHT] * len(images),
            "width": [WIDTH] * len(images),
        }
    )


def judged(n: int, seed: int) -> Segmented:
    table, labels = drawn(n, seed)
    return judge(table, CLASSES, labels, CLASSES)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_class_and_threshold_is_that_of_cocoeval(cocoeval, seed):
    one = judged(5, seed)
    precision, recall = one.curves(one.matched, np.ones((5, 1)))
    theirs = cocoeval(one.truth, one.detections, len(CLASSES))
    np.testing.assert_allclose(precision[..., 0], theirs[0][..., 0], atol=1e-12, rtol=0)
    np.testing.assert_allclose(recall[..., 0], theirs[1][..., 0], atol=1e-12, rtol=0)


@settings(max_examples=10, deadline=None)
@given(weights=st.lists(st.integers(0, 3), min_size=8, max_size=8).filter(any))
def test_weights_are_how_often_an_image_is_there(weights):
    one = judged(8, 0)
    again = one.take(np.repeat(np.arange(8), weights))
    for metric, values in one.values(np.array([weights], np.float32)).items():
        assert values == pytest.approx(again.values()[metric], abs=1e-6, nan_ok=True)


def test_metrics_have_intervals():
    rows = measure(judged(30, 1), 100, 0)
    assert all(0 <= row["low"] < row["value"] < row["high"] <= 1 for row in rows.values())


def test_an_outline_with_a_hole_is_its_pixels_and_a_box_is_its_rectangle():
    """The same pixels, once as run lengths, once as a ring with a hole: IoU 1."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:20, 5:25] = True
    box = mask.copy()
    mask[10:15, 10:20] = False
    said = table_of([[encode(mask).counts, encode(box).counts]])
    ring, hole = [5, 5, 25, 5, 25, 20, 5, 20], [10, 10, 20, 10, 20, 15, 10, 15]
    label = [
        {"category": "cell", "segmentation": [[ring, hole]]},
        {"category": "cell", "bbox": [5, 5, 20, 15]},
    ]
    one = judge(said, CLASSES, [json.dumps(label)], CLASSES)
    assert one.values()["ap"] == pytest.approx(1)
    assert one.truth.areas.tolist() == [mask.sum(), box.sum()]


def test_an_image_may_have_more_objects_than_detections_count_in_coco():
    """And more than pycocotools takes the areas of at a time."""
    mask = encode(np.eye(HEIGHT, WIDTH, dtype=bool)).model_dump(mode="json")
    said = table_of([[mask["counts"]] * 300])
    one = judge(said, CLASSES, [json.dumps([{"category": "cell", "segmentation": mask}] * 300)], CLASSES)
    assert one.truth.areas.tolist() == [HEIGHT] * 300
    assert one.values()["ar"] == pytest.approx(1)
