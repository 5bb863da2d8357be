from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assay.data.images.decode import decode_resized
from assay.data.images.placement import GREY, inside, place

sides = st.integers(1, 3000)
canvases = st.tuples(st.integers(8, 640), st.integers(8, 640))
fits = st.sampled_from(["squeeze", "letterbox"])


@settings(deadline=None, max_examples=60)
@given(sides, sides, canvases, fits, st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5))
def test_boxes_go_onto_the_canvas_and_come_back(width, height, canvas, fit, corners):
    where = place(np.array([width]), np.array([height]), canvas, fit)
    ends = np.array(corners, float).reshape(-1, 4) * [width, height, width, height]
    boxes = np.concatenate([np.minimum(ends[:, :2], ends[:, 2:]), np.maximum(ends[:, :2], ends[:, 2:])], 1)
    there = where.boxes(0, boxes)
    assert (there >= -1e-6).all()
    assert (there <= np.array([canvas[1], canvas[0]] * 2) + 1e-6).all()
    assert where.back().boxes(0, there) == pytest.approx(boxes, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(sides, sides, canvases)
def test_a_letterbox_touches_two_sides_and_keeps_the_shape_to_a_pixel(width, height, canvas):
    left, top, w, h = inside(width, height, canvas, "letterbox")
    assert w == canvas[1] or h == canvas[0]
    assert 0 <= left <= canvas[1] - w
    assert 0 <= top <= canvas[0] - h
    assert min(abs(w - h * width / height), abs(h - w * height / width)) <= 1


@settings(deadline=None, max_examples=60)
@given(
    st.floats(-np.pi, np.pi), st.floats(0.5, 2), st.booleans(), st.tuples(st.floats(-9, 9), st.floats(-9, 9))
)
def test_a_circle_keeps_its_box_however_it_is_turned(angle, scale, mirrored, shift):
    flip = np.diag([-1.0 if mirrored else 1.0, 1.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ flip
    moved = np.concatenate([turn, np.array(shift)[:, None]], 1)[None]
    where = place(np.array([100]), np.array([100]), (100, 100), "squeeze").then(moved)
    x1, y1, x2, y2 = where.boxes(0, np.array([[20.0, 30.0, 40.0, 50.0]]))[0]
    assert (x2 - x1, y2 - y1) == pytest.approx((20 * scale, 20 * scale))
    assert where.points(0, np.array([[30.0, 40.0]]))[0] == pytest.approx([(x1 + x2) / 2, (y1 + y2) / 2])


def test_pixels_are_where_the_map_says():
    """A white square in black: its box on the canvas holds the white pixels, and what is around the image is grey."""
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[20:40, 50:90] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    for fit in ("squeeze", "letterbox"):
        made = decode_resized(stream.getvalue(), (64, 64), "rgb", fit)
        where = place(np.array([100]), np.array([60]), (64, 64), fit)
        x1, y1, x2, y2 = np.round(where.boxes(0, np.array([[50.0, 20.0, 90.0, 40.0]]))[0]).astype(int)
        assert made.shape == (64, 64, 3)
        assert made[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 250
        assert (made[0] == GREY).all() == (fit == "letterbox")
        made[y1 - 2 : y2 + 2, x1 - 2 : x2 + 2] = 0
        assert set(np.unique(made)) <= {0, GREY}
