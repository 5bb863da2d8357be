"""Metrics of detectors: COCO's average precision and recall, and the best F1, as functions of image weights.

    ap, ap50, ap75   average precision (Lin et al. 2014): mean over the classes of the test set and ten IoU
                     thresholds .50, .55 … .95; at .50; at .75
    ar               average recall, mean over classes and thresholds
    f1               highest F1 of all classes together that one least score gives, at IoU .50
    d_ece            detection ECE (Küppers et al. 2020): how far scores are from the share of detections that are right
                     at IoU .50, in 15 equal bins, mean over the detections

Of each class and image the 100 best detections count, as in COCO, or more where an image has more objects of a class:
with 100, no model finds 200 cells.

Columns of predictions.parquet, the objects of an image in the order of their scores, best first:

    predicted   text                         what a person reads: `3 RBC, 1 WBC`
    boxes       list<fixed_size_list<float32, 4>>     x, y, width, height in pixels of the upright image
    scores      list<float32>                0…1
    classes     list<int32>                  places among the classes of the model

A label is the canonical JSON of an image's annotations, each with a box or an outline; `iscrowd` marks regions that
count neither way. `[]` is an image without objects: all that is found there is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.metrics.annotated import annotations_of, truth_of
from assay.metrics.detected import Detected
from assay.metrics.detection_errors import confusion, error_table
from assay.metrics.objects import Detections, Ints, offsets_of
from assay.metrics.table import OF_TASK

METRICS = OF_TASK["detection"]


def judge(
    table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]
) -> Detected:
    """The columns `boxes`, `scores` and `classes`, of the classes `known`, held against labels among `categories`."""
    place = {category: k for k, category in enumerate(categories)}
    truth = truth_of(annotations_of(labels), place).by_class()
    found = read_detections(table, np.array([place[category] for category in known], np.int64))
    return Detected(
        truth,
        found.best(truth.most),
        tuple(table["predicted"].to_pylist()),
        len(categories),
    )


def read_detections(table: pa.Table, places: Ints) -> Detections:
    """The objects of predictions, whose classes have these places."""
    columns = {name: table[name].combine_chunks() for name in ("boxes", "scores", "classes")}
    counts = pc.list_value_length(columns["scores"]).to_numpy(zero_copy_only=False)
    flat = {name: column.flatten() for name, column in columns.items()}
    boxes = np.asarray(flat["boxes"].flatten(), np.float64).reshape(-1, 4)
    return Detections(
        offsets_of(counts),
        places[np.asarray(flat["classes"], np.int64)],
        boxes,
        boxes[:, 2] * boxes[:, 3],
        scores=np.asarray(flat["scores"], np.float64),
    )


def details(judged: Detected) -> dict[str, Any]:
    """More of a model on its test images: the score that gives the best F1, AP by size, and what goes wrong."""
    return {
        "threshold": judged.threshold if np.isfinite(judged.threshold) else None,
        "sizes": judged.per_size(),
        "errors": error_table(judged),
        "confusion": confusion(judged).tolist(),
    }
