"""Metrics of instance segmentation: those of detection, with the overlap of masks in place of that of boxes.

Columns of predictions.parquet beyond those of detection (`assay.metrics.detection`):

    masks           list<string>   run lengths as COCO compresses them, in the order of the scores
    height, width   int32          of the upright image, in pixels: the size of each mask

A label is the canonical JSON of an image's annotations, each with an outline; one that has only a box is that box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pycocotools import mask as coco

from assay.data.annotations import Annotation
from assay.metrics.annotated import annotations_of, as_coco, mask_of, truth_of
from assay.metrics.detected import Detected
from assay.metrics.detection import details
from assay.metrics.estimates import Floats
from assay.metrics.matching import Overlap, intersection
from assay.metrics.objects import Detections, Ints, Truth, read_detections
from assay.metrics.table import OF_TASK

__all__ = ["METRICS", "Segmented", "details", "judge"]
METRICS = OF_TASK["instance_segmentation"]
Some = TypeVar("Some", Truth, Detections)


@dataclass(frozen=True)
class Segmented(Detected):
    """Masks found on n images and the masks that are there."""

    def overlap(self, detections: Detections) -> Overlap:
        return mask_overlap(detections, self.truth)


def mask_overlap(detections: Detections, truth: Truth) -> Overlap:
    """IoU of masks; with a crowd region the intersection over the detection's area."""
    ours, theirs = detections.masks, truth.masks
    if ours is None or theirs is None:
        raise TypeError("objects without masks")

    def overlap(d: Ints, g: Ints) -> Floats:
        found = np.zeros(len(d))
        near = np.flatnonzero(intersection(detections.boxes[d], truth.boxes[g]) > 0)
        for part in np.split(near, np.flatnonzero(np.diff(d[near])) + 1) if len(near) else []:
            those = theirs[g[part]].tolist()
            found[part] = coco.iou([ours[d[part[0]]]], those, truth.crowd[g[part]].tolist())[0]
        return found

    return overlap


def judge(
    table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]
) -> Segmented:
    """The columns of predictions, of the classes `known`, held against labels among `categories`."""
    place = {category: k for k, category in enumerate(categories)}
    places = np.array([place[category] for category in known], np.int64)
    sizes = list(zip(table["height"].to_pylist(), table["width"].to_pylist(), strict=True))
    truth = outlined(annotations_of(labels), place, sizes)
    counts = zip(table["masks"].to_pylist(), sizes, strict=True)
    found = [as_coco(one, *size) for image, size in counts for one in image]
    return Segmented(
        truth,
        masked(read_detections(table, places), found).best(truth.most),
        len(categories),
        names=tuple(categories),
    )


def outlined(
    images: Sequence[Sequence[Annotation]], place: Mapping[str, int], sizes: Sequence[Sequence[int]]
) -> Truth:
    """The annotations of images by their masks, ordered by image and class; `sizes`: height and width of each image."""
    masks = [mask_of(one, *size) for image, size in zip(images, sizes, strict=True) for one in image]
    return masked(truth_of(images, place), masks).by_class()


def masked(objects: Some, masks: Sequence[Mapping[str, Any]]) -> Some:
    """The same objects by their masks (m,): these, the boxes around them and their pixels."""
    column = np.empty(len(masks), object)
    column[:] = masks
    boxes = np.asarray(coco.toBbox(list(masks)), np.float64).reshape(-1, 4)
    # one by one: of more than 255 at a time pycocotools 2.0.11 raises OverflowError
    areas = np.array([coco.area(one) for one in masks], np.float64)
    return replace(objects, masks=column, boxes=boxes, areas=areas)
