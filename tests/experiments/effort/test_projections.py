"""What people would have drawn: exact where it can be, and never more than was there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.data.annotations import Annotation
from assay.data.masks import as_tags, encode
from assay.experiments.effort import projections
from assay.metrics.annotated import mask_of, pixels_of

HEIGHT, WIDTH = 9, 12
MASKS = arrays(bool, (HEIGHT, WIDTH)).filter(np.any)
RINGS = arrays(np.float64, st.tuples(st.integers(4, 20), st.just(2)), elements=st.integers(0, 30).map(float))


def outlined(mask: np.ndarray) -> Annotation:
    return Annotation(category="cell", segmentation=encode(mask))


def pixels(one: Annotation, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return pixels_of(mask_of(one, height, width))


@given(MASKS)
def test_a_box_has_all_pixels_and_is_the_smallest(mask):
    box = pixels(projections.as_box(outlined(mask), HEIGHT, WIDTH))
    assert (box | mask).tolist() == box.tolist()
    assert (
        box.any(0) == np.maximum.accumulate(mask.any(0)) & np.maximum.accumulate(mask.any(0)[::-1])[::-1]
    ).all()
    assert box.sum() == box.any(0).sum() * box.any(1).sum()


@settings(deadline=None)  # scipy is imported by the first
@given(MASKS)
def test_a_point_is_a_pixel_of_the_object_and_none_is_deeper(mask):
    point = pixels(projections.as_point(outlined(mask), HEIGHT, WIDTH))
    assert point.sum() == 1
    assert (point & mask).any()
    outside = np.argwhere(~np.pad(mask, 1)) - 1.0
    depths = np.array([np.hypot(*(outside - pixel).T).min() for pixel in np.argwhere(mask)])
    assert np.hypot(*(outside - np.argwhere(point)[0]).T).min() == pytest.approx(depths.max())


@given(MASKS, st.integers(3, 12))
def test_a_polygon_has_no_more_vertices_than_asked_for_and_lies_in_the_box(mask, vertices):
    whole = outlined(mask)
    polygon = projections.as_polygon(vertices)(whole, HEIGHT, WIDTH)
    ((ring,),) = polygon.segmentation
    assert 3 <= len(ring) // 2 <= max(vertices, 4)
    (x, y, w, h), (left, top, across, down) = polygon.box, whole.box
    assert min(x - left, y - top, left + across - x - w, top + down - y - h) >= 0


@given(RINGS, st.integers(3, 20))
def test_vertices_are_left_out_and_none_is_moved(ring, vertices):
    kept = projections.simplified(ring, vertices)
    assert len(kept) == min(len(ring), vertices)
    left = iter(ring.tolist())
    assert all(vertex in left for vertex in kept.tolist()), "in their order"


def test_eight_vertices_are_close_to_a_round_object():
    y, x = np.mgrid[:40, :50] + 0.5
    mask = ((x - 24) / 18) ** 2 + ((y - 20) / 12) ** 2 <= 1
    polygon = pixels(projections.as_polygon(8)(outlined(mask), 40, 50), 40, 50)
    assert (polygon & mask).sum() / (polygon | mask).sum() > 0.85


@given(st.lists(MASKS, max_size=3))
def test_what_is_drawn_less_of_says_the_same_of_the_image(masks):
    whole = [outlined(mask) for mask in masks]
    for project in (projections.as_polygon(5), projections.as_box, projections.as_point, projections.as_tag):
        drawn = projections.projected(whole, project, HEIGHT, WIDTH)
        assert as_tags(drawn) == as_tags(whole)
        assert len(drawn) == len(whole)
    crowd = outlined(np.ones((HEIGHT, WIDTH), bool)).model_copy(update={"iscrowd": True})
    assert projections.projected([*whole, crowd], projections.as_it_is, HEIGHT, WIDTH) == whole


def test_the_point_of_a_box_is_in_its_middle():
    box = Annotation(category="cell", bbox=(2.0, 1.0, 4.0, 6.0))
    assert projections.as_point(box, HEIGHT, WIDTH).bbox == (4.0, 4.0, 1.0, 1.0)
    edge = Annotation(category="cell", bbox=(11.5, 8.5, 1.0, 1.0))
    assert projections.as_point(edge, HEIGHT, WIDTH).bbox == (11.0, 8.0, 1.0, 1.0)
