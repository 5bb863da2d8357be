"""Metrics of detectors: COCO's average precision and recall, and the best F1, as functions of image weights.

    ap, ap50, ap75   average precision (Lin et al. 2014): mean over the classes of the test set and ten IoU
                     thresholds .50, .55 … .95; at .50; at .75
    ar               average recall, mean over classes and thresholds
    f1               F1 of all classes together at IoU .50, at the score threshold where it is highest
    d_ece            detection ECE (Küppers et al. 2020): |mean score − share of right detections at IoU .50| in 15
                     equal bins of the score, mean over the detections

The 100 best detections of each class and image count, as in COCO, or more if an image has more objects of a class: with
100, no model could find 200 cells.

Columns of predictions.parquet, the objects of an image in the order of their scores, best first:

    predicted   text                         for people: `3 RBC, 1 WBC`
    boxes       list<fixed_size_list<float32, 4>>     x, y, width, height in pixels of the upright image
    scores      list<float32>                0…1
    classes     list<int32>                  indices of the model's classes

A label is the canonical JSON of an image's annotations, each with a box or an outline; detections in `iscrowd` regions
are neither right nor wrong. `[]` is an image without objects: all detections on it are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assay.metrics.annotated import annotations_of, truth_of
from assay.metrics.detected import Detected
from assay.metrics.detection_errors import confusion, error_table
from assay.metrics.objects import read_detections
from assay.metrics.table import OF_TASK

METRICS = OF_TASK["detection"]


def judge(
    table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]
) -> Detected:
    """Compare the columns `boxes`, `scores` and `classes`, of the classes `known`, with labels among `categories`."""
    place = {category: k for k, category in enumerate(categories)}
    truth = truth_of(annotations_of(labels), place).by_class()
    found = read_detections(table, np.array([place[category] for category in known], np.int64))
    return Detected(truth, found.best(truth.most), len(categories), names=tuple(categories))


def details(judged: Detected) -> dict[str, Any]:
    """Details of a model on its test images: score threshold of the best F1, AP by size, kinds of errors."""
    return {
        "threshold": judged.threshold if np.isfinite(judged.threshold) else None,
        "sizes": judged.per_size(),
        "errors": error_table(judged),
        "confusion": confusion(judged).tolist(),
    }
