"""Labels, the canonical JSON of annotations, as arrays: objects with boxes and areas, and the pixels of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from assay.data.annotations import Annotation
from assay.data.masks import area, rasterized
from assay.data.outlines import RLE, ring_area
from assay.metrics.objects import Truth, offsets_of

ANNOTATIONS = TypeAdapter(list[Annotation])


def read_truth(labels: Sequence[str], place: Mapping[str, int]) -> Truth:
    """The objects that labels name, in their order."""
    images = [ANNOTATIONS.validate_json(label) for label in labels]
    objects = [one for image in images for one in image]
    return Truth(
        offsets_of([len(image) for image in images]),
        np.array([place[one.category] for one in objects], np.int64),
        np.array([one.box for one in objects], np.float64).reshape(-1, 4),
        np.array([area_of(one) for one in objects], np.float64),
        crowd=np.array([one.iscrowd for one in objects], bool),
    )


def area_of(one: Annotation) -> float:
    """Pixels of an object by its outline, where it has one, else by its box."""
    if isinstance(one.segmentation, RLE):
        return area(one.segmentation)
    if one.segmentation is not None:
        rings = ([ring_area(ring) for ring in part] for part in one.segmentation)
        return sum(outer - sum(holes) for outer, *holes in rings)
    assert one.box is not None
    return one.box[2] * one.box[3]


def pixels_of(one: Annotation, height: int, width: int) -> NDArray[np.bool_]:
    """(height, width) the pixels of an object."""
    if one.segmentation is not None:
        return rasterized(one.segmentation, height, width)
    assert one.box is not None
    x, y, across, down = one.box
    return rasterized((((x, y, x + across, y, x + across, y + down, x, y + down),),), height, width)
