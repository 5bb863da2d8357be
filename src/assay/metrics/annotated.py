"""Labels, canonical JSON of annotations, as arrays: boxes and areas of the objects, and their masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco
from pydantic import TypeAdapter

from assay.data.annotations import Annotation
from assay.data.masks import area, decode, rasterized
from assay.data.outlines import RLE, Polygons, ring_area
from assay.metrics.objects import Truth, offsets_of

ANNOTATIONS = TypeAdapter(list[Annotation])


def annotations_of(labels: Sequence[str]) -> list[list[Annotation]]:
    """The annotations of each image."""
    return [ANNOTATIONS.validate_json(label) for label in labels]


def truth_of(images: Sequence[Sequence[Annotation]], place: Mapping[str, int]) -> Truth:
    """The annotations of images, in their order, as arrays; `place`: category -> index."""
    objects = [one for image in images for one in image]
    return Truth(
        offsets_of([len(image) for image in images]),
        np.array([place[one.category] for one in objects], np.int64),
        np.array([one.box for one in objects], np.float64).reshape(-1, 4),
        np.array([area_of(one) for one in objects], np.float64),
        crowd=np.array([one.iscrowd for one in objects], bool),
    )


def area_of(one: Annotation) -> float:
    """Area of an object in pixels, by its outline if it has one, otherwise by its box."""
    if isinstance(one.segmentation, RLE):
        return area(one.segmentation)
    if one.segmentation is not None:
        rings = ([ring_area(ring) for ring in part] for part in one.segmentation)
        return sum(outer - sum(holes) for outer, *holes in rings)
    assert one.box is not None
    return one.box[2] * one.box[3]


def mask_of(one: Annotation, height: int, width: int) -> dict[str, Any]:
    """The mask of an object in the form of pycocotools; without an outline, that of its box."""
    if isinstance(one.segmentation, RLE):
        return as_coco(one.segmentation.counts, height, width)
    parts = one.segmentation or _rectangle(one)
    mask: dict[str, Any]
    if all(len(part) == 1 for part in parts):  # without holes there is no need to unroll it
        mask = coco.merge(coco.frPyObjects([list(ring) for (ring,) in parts], height, width))
    else:
        mask = coco.encode(np.asfortranarray(rasterized(parts, height, width), np.uint8))
    return mask


def as_coco(counts: str, height: int, width: int) -> dict[str, Any]:
    """Compressed run lengths in the form of pycocotools."""
    return {"size": [height, width], "counts": counts.encode()}


def pixels_of(mask: Mapping[str, Any]) -> NDArray[np.bool_]:
    """(height, width) pixels of a mask in the form of pycocotools."""
    height, width = mask["size"]
    return decode(RLE.model_construct(size=(height, width), counts=mask["counts"]))


def _rectangle(one: Annotation) -> Polygons:
    assert one.box is not None
    x, y, width, height = one.box
    return (((x, y, x + width, y, x + width, y + height, x, y + height),),)
