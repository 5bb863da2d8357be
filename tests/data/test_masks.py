from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from assay.data import contours, masks, runs
from assay.data.annotations import Annotation
from assay.data.outlines import RLE

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
drawn = hnp.arrays(bool, shapes, elements=st.booleans()).filter(np.any)


@settings(max_examples=50)
@given(drawn)
def test_run_lengths_are_coco_s_own_and_come_back(mask):
    rle = masks.encode(mask)
    theirs = coco.encode(np.asfortranarray(mask, np.uint8))
    assert rle.counts == theirs["counts"].decode()
    assert np.array_equal(masks.decode(rle), mask)
    counts = runs.uncompressed(rle.counts)
    assert RLE(size=mask.shape, counts=counts.tolist()) == rle
    assert masks.area(rle) == mask.sum()
    rows, columns = np.nonzero(mask)
    x, y, w, h = masks.box_of_mask(rle)
    assert (x, y, x + w, y + h) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@given(st.binary(max_size=12) | st.text(max_size=12), shapes)
def test_damaged_text_never_reaches_the_decoder(counts, size):
    try:
        rle = RLE(size=size, counts=counts)
    except ValueError:
        return
    assert masks.decode(rle).shape == size


@pytest.mark.filterwarnings("ignore:__array__")  # the oracle's own
@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(0, 30), min_size=6, max_size=10), min_size=1, max_size=3))
def test_polygons_are_rasterized_as_coco_does_and_their_parts_joined(rings):
    even = [ring[: len(ring) // 2 * 2] for ring in rings]
    try:
        outline = Annotation(category="c", segmentation=even).segmentation
    except ValueError:  # a ring without area
        return
    theirs = coco.decode(coco.merge(coco.frPyObjects(even, 30, 30))).astype(bool)
    assert np.array_equal(masks.rasterized(outline, 30, 30), theirs)


def test_holes_are_taken_out():
    square, hole = [0, 0, 8, 0, 8, 8, 0, 8], [2, 2, 6, 2, 6, 6, 2, 6]
    solid, pierced = (Annotation(category="c", segmentation=parts) for parts in ([square], [[square, hole]]))
    assert masks.rasterized(solid.segmentation, 8, 8).sum() == 64
    rle = masks.rle_of(pierced.segmentation, 8, 8)
    assert masks.area(rle) == 48
    assert masks.iou([rle], [masks.rle_of(solid.segmentation, 8, 8)]).tolist() == [[0.75]]
    assert masks.iou([], [rle]).shape == (0, 1)


def test_less_than_a_mask_follows_from_it():
    mask = np.zeros((6, 9), bool)
    mask[1:3, 2:7] = True
    one = Annotation(category="b", segmentation=masks.encode(mask), attributes={"far": True})
    box = masks.as_box(one)
    assert (box.bbox, box.segmentation, box.attributes) == ((2, 1, 5, 2), None, {"far": True})
    polygon = Annotation(category="a", segmentation=[[1, 1, 4, 1, 4, 3.5]])
    assert polygon.box == (1, 1, 3, 2.5)
    drawn_ = Annotation(category="a", bbox=(0, 0, 5, 5), segmentation=polygon.segmentation)
    assert masks.as_box(drawn_).bbox == (0, 0, 5, 5)
    assert masks.as_tags([one, polygon, one]) == [Annotation(category="a"), Annotation(category="b")]


def test_nothing_is_no_mask():
    with pytest.raises(ValueError, match="without a pixel"):
        masks.encode(np.zeros((3, 3), bool))


@settings(max_examples=60)
@given(drawn)
def test_the_outlines_of_a_mask_come_out_as_the_same_pixels(mask):
    parts = contours.polygons_of(mask)
    assert np.array_equal(masks.rasterized(parts, *mask.shape), mask)
    one = Annotation(category="c", segmentation=[contours.as_one_ring(parts)])
    assert np.array_equal(masks.rasterized(one.segmentation, *mask.shape), mask)


def test_a_ring_in_a_hole_is_a_part_of_its_own():
    mask = np.ones((9, 9), bool)
    mask[1:8, 1:8] = False
    mask[3:6, 3:6] = True
    mask[4, 4] = False
    outer, inner = contours.polygons_of(mask)
    assert [len(outer), len(inner)] == [2, 2]
    assert outer[0] == (0, 0, 9, 0, 9, 9, 0, 9)


def test_pixels_that_touch_at_a_corner_are_parts_of_their_own():
    parts = contours.polygons_of(np.indices((4, 4)).sum(axis=0) % 2 == 0)
    assert len(parts) == 8
    assert {len(ring) for part in parts for ring in part} == {8}
