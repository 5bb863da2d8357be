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


def bounds(mask: np.ndarray) -> list[int]:
    """x₁, y₁, x₂, y₂ of the pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


shorter = st.integers(10, 200)
mirror = st.sampled_from([-1.0, 1.0])


@settings(deadline=None, max_examples=60)
@given(
    shorter,
    shorter,
    st.tuples(shorter, shorter),
    fits,
    mirror,
    st.floats(0.5, 2),
    st.floats(-40, 40),
    st.data(),
)
def test_a_rectangle_moves_as_a_mask_where_it_moves_as_a_box(
    width, height, canvas, fit, flip, scale, shift, data
):
    corner = [data.draw(st.integers(0, side - 2)) for side in (width, height)]
    box = [
        *corner,
        *(data.draw(st.integers(a + 1, side)) for a, side in zip(corner, (width, height), strict=True)),
    ]
    mask = np.zeros((height, width), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 1
    moved = np.array([[[flip * scale, 0, shift], [0, scale, shift]]])
    where = place(np.array([width]), np.array([height]), canvas, fit).then(moved)
    there = where.boxes(0, np.array([box], float))[0]
    made = where.masks(0, mask)
    assert made.shape == canvas
    expected = np.clip(there, 0, [canvas[1], canvas[0]] * 2)
    if made.any():
        assert bounds(made) == pytest.approx(expected, abs=0.51)
    else:
        assert min(expected[2:] - expected[:2]) <= 1


def test_masks_that_are_mirrored_are_the_mirrored_masks():
    masks = np.random.default_rng(0).integers(0, 5, (3, 7, 10), dtype=np.int16)
    where = place(np.array([10]), np.array([7]), (7, 10), "squeeze")
    assert (where.masks(0, masks) == masks).all()
    assert (where.then(np.array([[[-1.0, 0, 10], [0, 1, 0]]])).masks(0, masks) == masks[..., ::-1]).all()
    turned = where.then(np.array([[[-1.0, 0, 10], [0, -1.0, 7]]])).masks(0, masks)
    assert (turned == masks[..., ::-1, ::-1]).all()


def test_where_there_is_no_image_masks_are_filled():
    where = place(np.array([8]), np.array([4]), (8, 8), "letterbox")
    made = where.masks(0, np.ones((1, 4, 8), np.uint8), fill=9)
    assert (made[0, :2] == 9).all()
    assert (made[0, 2:6] == 1).all()
    assert (made[0, 6:] == 9).all()


@settings(deadline=None, max_examples=60)
@given(shorter, shorter, st.tuples(shorter, shorter), fits, st.booleans(), st.integers(0, 2**16))
def test_maps_come_back_to_a_pixel_of_the_canvas(width, height, canvas, fit, mirrored, seed):
    """A mask goes onto the canvas and comes back: what differs is at most a pixel, of either, from its border."""
    x, y = np.random.default_rng(seed).uniform(0, [width, height])
    mask = (np.arange(width) + 0.5 < x) & (np.arange(height)[:, None] + 0.5 > y)
    where = place(np.array([width]), np.array([height]), canvas, fit)
    if mirrored:
        where = where.then(np.array([[[-1.0, 0, canvas[1]], [0, 1, 0]]]))
    back = where.restored(0, where.masks(0, mask.astype(np.float32), fill=7)) > 0.5
    assert back.shape == mask.shape
    across, down = (max(1.0, abs(1 / where.affine[0, k, k])) + 0.01 for k in (0, 1))
    columns = np.abs(np.arange(width) + 0.5 - x) <= across
    rows = np.abs(np.arange(height) + 0.5 - y) <= down
    assert (back == mask)[~rows][:, ~columns].all()


def test_maps_that_come_back_are_interpolated_between_the_middles_of_pixels():
    """Four times as many pixels: what torch does without corners aligned."""
    import torch

    maps = np.random.default_rng(0).random((2, 5, 6), dtype=np.float32)
    where = place(np.array([24]), np.array([20]), (5, 6), "squeeze")
    expected = torch.nn.functional.interpolate(torch.from_numpy(maps)[None], scale_factor=4, mode="bilinear")[
        0
    ]
    assert where.restored(0, maps) == pytest.approx(expected.numpy(), abs=1e-5)
    boxed = place(np.array([24]), np.array([10]), (6, 6), "letterbox")
    assert boxed.restored(0, np.pad(np.ones((2, 6), np.float32), ((2, 2), (0, 0)))).min() == 1
