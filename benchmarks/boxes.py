"""Random objects on images with random detections, and both in the format of COCO's evaluators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.metrics.detected import Detected
from assay.metrics.objects import Detections, Truth, offsets_of

OBJECTS = 7.3
"""Mean number per image, as in COCO's val2017."""
SIDE, MEDIAN, SPREAD = 640.0, 55.0, 0.9
"""Side of the images; median and spread of the objects' sides (log-normal); pixels."""
FOUND, CONFUSED, CROWD, OFF = 0.8, 0.1, 0.01, 0.08
"""Shares of detected objects, of these with another class, of crowd regions; error of a side, relative to it."""


def drawn(n: int, classes: int, false: float, rng: np.random.Generator) -> Detected:
    """Objects and detections on n images, with `false` false detections per image; classes differ in size."""
    odds = np.arange(1, classes + 1) ** -0.8
    odds /= odds.sum()
    counts, wrong = rng.poisson(OBJECTS, n), rng.poisson(false, n)
    boxes, names = _boxes(counts.sum(), rng), rng.choice(classes, counts.sum(), p=odds)
    truth = Truth(offsets_of(counts), names, boxes, _areas(boxes), crowd=rng.random(len(names)) < CROWD)
    found = np.flatnonzero(rng.random(len(names)) < FOUND)
    sides = boxes[found][:, [2, 3, 2, 3]]
    near = boxes[found] + sides * rng.normal(0, OFF, sides.shape)
    said = np.where(rng.random(len(found)) < CONFUSED, rng.integers(0, classes, len(found)), names[found])
    images = np.concatenate([truth.images[found], np.repeat(np.arange(n), wrong)])
    order = np.argsort(images, kind="stable")
    all_boxes = np.concatenate([near, _boxes(wrong.sum(), rng)])[order]
    scores = np.concatenate([rng.beta(4, 2, len(found)), rng.beta(1, 4, wrong.sum())])[order]
    detections = Detections(
        offsets_of(np.bincount(images, minlength=n)),
        np.concatenate([said, rng.choice(classes, wrong.sum(), p=odds)])[order],
        all_boxes,
        _areas(all_boxes),
        scores=scores,
    )
    return Detected(truth.by_class(), detections.best(100), classes)


def _boxes(m: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.concatenate(
        [rng.random((m, 2)) * SIDE, np.exp(rng.normal(np.log(MEDIAN), SPREAD, (m, 2)))], axis=1
    )


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return boxes[:, 2] * boxes[:, 3]


def as_coco(one: Detected) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The objects as a COCO data set, and the detections as a list of results."""
    annotations = [
        {"id": k, "image_id": i, "category_id": c, "bbox": box, "area": area, "iscrowd": int(crowd)}
        for k, (i, c, box, area, crowd) in enumerate(_rows(one.truth, one.truth.crowd), 1)
    ]
    results = [
        {"image_id": i, "category_id": c, "bbox": box, "score": score}
        for i, c, box, _, score in _rows(one.detections, one.detections.scores)
    ]
    images = [{"id": i, "height": SIDE, "width": SIDE} for i in range(len(one))]
    categories = [{"id": k, "name": str(k)} for k in range(one.classes)]
    return {"images": images, "categories": categories, "annotations": annotations}, results


def _rows(objects: Truth | Detections, last: NDArray[Any]) -> zip[tuple[Any, ...]]:
    columns = (objects.images, objects.classes, objects.boxes, objects.areas, last)
    return zip(*(column.tolist() for column in columns), strict=True)
