"""Annotations as pixels: the short way for outlines without holes gives the same ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.data.masks import rasterized
from assay.data.outlines import ring_area
from assay.metrics.annotated import mask_of, pixels_of

SIDE = 16
RING = st.lists(st.tuples(st.floats(-2, SIDE + 2), st.floats(-2, SIDE + 2)), min_size=3, max_size=7).map(
    lambda corners: tuple(value for corner in corners for value in corner)
)


@settings(deadline=None)
@given(st.lists(RING.filter(ring_area), min_size=1, max_size=3))
def test_parts_without_holes_are_joined(rings):
    parts = tuple((ring,) for ring in rings)
    one = Annotation(category="cell", segmentation=parts)
    assert (pixels_of(mask_of(one, SIDE, SIDE)) == rasterized(parts, SIDE, SIDE)).all()


def test_a_hole_is_taken_out_and_a_box_is_its_pixels():
    outer, hole = (0.0, 0.0, 10.0, 0.0, 10.0, 10.0, 0.0, 10.0), (2.0, 2.0, 5.0, 2.0, 5.0, 5.0, 2.0, 5.0)
    holed = Annotation(category="cell", segmentation=((outer, hole),))
    assert pixels_of(mask_of(holed, SIDE, SIDE)).sum() == 100 - 9
    box = Annotation(category="cell", bbox=(1.0, 2.0, 3.0, 4.0))
    assert np.argwhere(pixels_of(mask_of(box, SIDE, SIDE))).min(0).tolist() == [2, 1]
    assert pixels_of(mask_of(box, SIDE, SIDE)).sum() == 12
