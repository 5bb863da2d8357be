"""Objects for tools with one shape an object: a box, a ring or a mask; and crowds as an attribute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from assay.data import masks
from assay.data.annotations import Annotation, Box
from assay.data.masks import Mask
from assay.data.outlines import RLE, Ring

CROWD = "iscrowd"
"""Attribute, `true`, of a crowd in formats that have attributes but no crowds."""
PIXELS = "parts and holes: their pixels instead"
POLYGONS = "polygons: their pixels instead"
COVERED = "pixels below a later object"
OTHER_BOXES = "boxes other than that of their outline"


class Shape(NamedTuple):
    """The shape of an object: one of these. `mask`: (height, width)."""

    box: Box | None = None
    ring: Ring | None = None
    mask: Mask | None = None


def shape_of(one: Annotation, width: int, height: int, lost: Counter[str]) -> Shape:
    """The shape of an object that is no tag. Counts in `lost` what it does not keep.

    A polygon of one ring stays one; of parts or holes, the pixels are kept, or the first ring if they cover none.
    """
    outline = one.segmentation
    if outline is None:
        return Shape(box=one.bbox)
    if has_other_box(one):
        lost[OTHER_BOXES] += 1
    if isinstance(outline, RLE):
        return Shape(mask=masks.decode(outline))
    if len(outline) == len(outline[0]) == 1:
        return Shape(ring=outline[0][0])
    lost[PIXELS] += 1
    mask = masks.rasterized(outline, height, width)
    return Shape(mask=mask) if mask.any() else Shape(ring=outline[0][0])


def has_other_box(one: Annotation) -> bool:
    """Whether an object has an outline and a box that is not the outline's."""
    if one.bbox is None or one.segmentation is None:
        return False
    return one.bbox != one.model_copy(update={"bbox": None}).box


def with_crowd(one: Annotation) -> dict[str, Any]:
    """The attributes of an object, with CROWD for a crowd."""
    return dict(one.attributes) | ({CROWD: True} if one.iscrowd else {})


def without_crowd(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `with_crowd`: the fields `iscrowd` and `attributes`."""
    is_crowd = attributes.get(CROWD) is True
    return {
        "iscrowd": is_crowd,
        "attributes": {k: v for k, v in attributes.items() if not (is_crowd and k == CROWD)},
    }
