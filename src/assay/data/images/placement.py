"""From the pixels of an image to those that a model is fed with, and back: how images are made to fit, and where
their objects go.

squeeze    to the size of the canvas, whatever the shape of the image
letterbox  the largest that fits the canvas at the image's own shape, in its middle; GREY around it

Coordinates are (x, y) in pixels of the upright image; 0, 0 is the upper left corner of the first pixel, whose middle is
at .5, .5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Fit = Literal["squeeze", "letterbox"]
Floats = NDArray[np.float64]
Canvas = tuple[int, int]
"""Height and width, px."""

GREY = 127
"""Around a letterboxed image: the middle of 0…255, near what networks subtract."""
ROUNDING = 1e-6
"""px: a place this little before a pixel is in it; the inverse of a map is exact to rounding only."""


def inside(width: int, height: int, canvas: Canvas, fit: Fit) -> tuple[int, int, int, int]:
    """Where on the canvas an image goes: left, top, width, height."""
    rows, columns = canvas
    if fit == "squeeze":
        return 0, 0, columns, rows
    scale = min(columns / width, rows / height)
    w, h = (max(1, round(side * scale)) for side in (width, height))
    return (columns - w) // 2, (rows - h) // 2, w, h


def place(widths: NDArray[Any], heights: NDArray[Any], canvas: Canvas, fit: Fit) -> Placement:
    """Where images of these sizes (n,) go."""
    affine = np.zeros((len(widths), 2, 3))
    for k, (width, height) in enumerate(zip(widths.tolist(), heights.tolist(), strict=True)):
        left, top, w, h = inside(width, height, canvas, fit)
        affine[k] = [[w / width, 0, left], [0, h / height, top]]
    return Placement(affine, canvas, np.stack([widths, heights], axis=1).astype(np.float64))


@dataclass(frozen=True)
class Placement:
    """Of n images: the affine maps (n, 2, 3) from their pixels to those of the canvas."""

    affine: Floats
    canvas: Canvas
    sizes: Floats
    """(n, 2) width and height of the images."""

    def __len__(self) -> int:
        return len(self.affine)

    def take(self, rows: NDArray[np.int64]) -> Placement:
        return replace(self, affine=self.affine[rows], sizes=self.sizes[rows])

    def then(self, moved: NDArray[np.floating]) -> Placement:
        """After the canvas itself was moved by (n, 2, 3)."""
        linear = moved[:, :, :2] @ self.affine
        linear[:, :, 2] += moved[:, :, 2]
        return replace(self, affine=linear)

    def stretched(self, canvas: Canvas) -> Placement:
        """After the canvas was stretched to another size."""
        (height, width), (before, across) = canvas, self.canvas
        moved = np.array([[width / across, 0, 0], [0, height / before, 0]])
        return replace(self.then(np.broadcast_to(moved, self.affine.shape)), canvas=canvas)

    def back(self) -> Placement:
        """The inverse maps."""
        linear = np.linalg.inv(self.affine[:, :, :2])
        offset = -linear @ self.affine[:, :, 2:]
        return replace(self, affine=np.concatenate([linear, offset], axis=2))

    def cut(self, image: int, boxes: Floats) -> Floats:
        """Corners (m, 4) in pixels of one image, those beyond its borders moved onto them."""
        inside: Floats = np.clip(boxes, 0, np.tile(self.sizes[image], 2))
        return inside

    def points(self, image: int, points: Floats) -> Floats:
        """(m, 2) of one image, mapped."""
        moved: Floats = points @ self.affine[image, :, :2].T + self.affine[image, :, 2]
        return moved

    def boxes(self, image: int, boxes: Floats) -> Floats:
        """Corners (m, 4) x₁, y₁, x₂, y₂ of one image, mapped; not clipped.

        Exact while nothing is turned. Turned, it is the box around the ellipse that the box had in it: few objects
        reach into the corners (A. Kalra et al.: Towards Rotation Invariance in Object Detection. ICCV 2021).
        """
        middle = self.points(image, (boxes[:, :2] + boxes[:, 2:]) / 2)
        linear = self.affine[image, :, :2]
        half = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (linear**2).T)
        return np.concatenate([middle - half, middle + half], axis=1)

    def masks(self, image: int, masks: NDArray[Any], fill: int = 0) -> NDArray[Any]:
        """Masks, or maps of numbers, (…, h, w) of one image -> (…, *canvas): each pixel as the one under its middle.

        `fill` where there is no image.
        """
        under = self.under(image)
        moved = masks.reshape(*masks.shape[:-2], math.prod(masks.shape[-2:])).take(under, axis=-1)
        moved[..., under < 0] = fill
        return moved

    def under(self, image: int) -> NDArray[np.int64]:
        """The pixel of one image, counted row by row, that is under the middle of each of the canvas; −1: none."""
        width, height = self.sizes[image].astype(np.int64).tolist()
        down, across = (np.arange(side) + 0.5 for side in self.canvas)
        back = np.linalg.inv(np.concatenate([self.affine[image], [[0, 0, 1]]]))[:2].tolist()
        x, y = (np.floor(a * across + b * down[:, None] + c + ROUNDING).astype(np.int64) for a, b, c in back)
        there = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return np.where(there, y * width + x, -1)

    def restored(self, image: int, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps (…, *canvas) of an image that was not turned -> (…, h, w) of its pixels: bilinear, never beyond it."""
        for axis, sides in ((0, -1), (1, -2)):
            scale, start = self.affine[image, axis, [axis, 2]].tolist()
            maps = _stretched(maps, sides, start, scale, int(self.sizes[image, axis]))
        return maps


def _stretched(
    maps: NDArray[np.float32], axis: int, start: float, scale: float, length: int
) -> NDArray[np.float32]:
    """One axis of maps read at `length` middles, `scale` apart, of the stretch that begins at `start`."""
    first, last = sorted((start, start + scale * length))
    middles = start + scale * (np.arange(length) + 0.5)
    places = np.clip(middles, first + 0.5, max(last - 0.5, first + 0.5)) - 0.5
    before = np.floor(places).astype(np.int64)
    share = (places - before).astype(np.float32).reshape(-1, *(1,) * (-1 - axis))
    after = np.minimum(before + 1, maps.shape[axis] - 1)
    read: NDArray[np.float32] = maps.take(before, axis) * (1 - share) + maps.take(after, axis) * share
    return read
