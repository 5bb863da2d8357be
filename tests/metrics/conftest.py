"""pycocotools' evaluation, the reference of all that is matched."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from assay.metrics.objects import Detections, Truth

Results = tuple[np.ndarray, np.ndarray]
"""(classes, t, size) average precision and recall; NaN where COCOeval says −1."""


@pytest.fixture(scope="session")
def cocoeval() -> Callable[[Truth, Detections, int], Results]:
    return evaluated


def evaluated(truth: Truth, detections: Detections, classes: int) -> Results:
    """COCOeval's own: of masks where there are any, else of boxes."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        sides = (
            as_coco(truth, classes, iscrowd=truth.crowd.astype(int)),
            as_coco(detections, classes, score=detections.scores),
        )
        evaluation = COCOeval(*sides, "bbox" if truth.masks is None else "segm")
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = (evaluation.eval[name][..., -1] for name in ("precision", "recall"))
    return (
        np.where(precision[:, 0] < 0, np.nan, precision.mean(1)).transpose(1, 0, 2),
        np.where(recall < 0, np.nan, recall).transpose(1, 0, 2),
    )


def as_coco(objects: Truth | Detections, classes: int, **more: np.ndarray) -> Any:
    from pycocotools.coco import COCO

    columns = {"image_id": objects.images, "category_id": objects.classes, "bbox": objects.boxes, **more}
    if objects.masks is not None:
        columns["segmentation"] = objects.masks
    rows = zip(*(column.tolist() for column in (*columns.values(), objects.areas)), strict=True)
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "height": 0, "width": 0} for i in range(len(objects))],
        "categories": [{"id": k} for k in range(classes)],
        "annotations": [
            dict(zip(("id", *columns, "area"), (k, *row), strict=True)) for k, row in enumerate(rows, 1)
        ],
    }
    coco.createIndex()
    return coco
