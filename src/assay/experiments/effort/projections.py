"""What people would have drawn of the same objects: masks to polygons of few vertices, to boxes, to points, to tags.

Annotations in, annotations out, one each; crowd regions are left out. Mask → box → tag is exact. A polygon of few
vertices is its outline simplified, a point the pixel deepest inside: rules, stated here, in place of people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.contours import polygons_of
from assay.data.outlines import RLE, ring_area
from assay.metrics.annotated import mask_of, pixels_of

Floats = NDArray[np.float64]
Project = Callable[[Annotation, int, int], Annotation]
"""Of an object on an image of height × width px."""


def projected(objects: Sequence[Annotation], project: Project, height: int, width: int) -> list[Annotation]:
    """What is drawn of the objects of an image."""
    return [project(one, height, width) for one in objects if not one.iscrowd]


def as_it_is(one: Annotation, height: int, width: int) -> Annotation:
    """The full annotation."""
    return one


def as_box(one: Annotation, height: int, width: int) -> Annotation:
    """The smallest box around an object."""
    return masks.as_box(one)


def as_tag(one: Annotation, height: int, width: int) -> Annotation:
    """The class of an object and nothing else."""
    return Annotation(category=one.category)


def as_polygon(vertices: int) -> Project:
    """One ring of at most so many vertices around the largest part of an object, without its holes."""

    def project(one: Annotation, height: int, width: int) -> Annotation:
        ring = np.reshape(_largest_ring(one, height, width), (-1, 2))
        corners = simplified(ring, vertices)
        return one.model_copy(update={"bbox": None, "segmentation": ((tuple(corners.ravel().tolist()),),)})

    return project


def _largest_ring(one: Annotation, height: int, width: int) -> Sequence[float]:
    outline = one.segmentation
    if outline is None or isinstance(outline, RLE):
        outline = polygons_of(pixels_of(mask_of(one, height, width)))
    return max((part[0] for part in outline), key=ring_area)


def simplified(ring: Floats, vertices: int) -> Floats:
    """A ring (n, 2) reduced to `vertices` vertices: the one with the smallest triangle is removed first.

    M. Visvalingam and J. D. Whyatt: Line generalisation by repeated elimination of points. Cartographic Journal, 1993.
    """
    while len(ring) > max(vertices, 3):
        to_last, to_next = np.roll(ring, 1, axis=0) - ring, np.roll(ring, -1, axis=0) - ring
        areas = np.abs(to_last[:, 0] * to_next[:, 1] - to_last[:, 1] * to_next[:, 0])
        ring = np.delete(ring, int(areas.argmin()), axis=0)
    return ring


def as_point(one: Annotation, height: int, width: int) -> Annotation:
    """The pixel deepest inside an object, as a box of 1 × 1 px; of an object that is a box, its middle."""
    if one.segmentation is None:
        assert one.box is not None
        x, y, w, h = one.box
        column, row = min(int(x + w / 2), width - 1), min(int(y + h / 2), height - 1)
    else:
        row, column = deepest(pixels_of(mask_of(one, height, width)))
    return one.model_copy(update={"bbox": (float(column), float(row), 1.0, 1.0), "segmentation": None})


def deepest(mask: masks.Mask) -> tuple[int, int]:
    """Row and column of the pixel that is farthest from the outside of the mask; the first of equal ones."""
    from scipy.ndimage import distance_transform_edt  # a tenth of a second to import

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    inside = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    row, column = np.unravel_index(distance_transform_edt(inside).argmax(), inside.shape)
    return top + int(row) - 1, left + int(column) - 1
