"""Batched augmentation: one set of tensor operations for the whole batch, with its own random numbers per image.

none     images unchanged
light    small shift, rotation and scale: for digits, parts, scans and other images with a fixed orientation
flips    light, and mirrored left to right with probability ½
strong   larger changes, brightness and contrast, and an erased rectangle

With `train.scale`, each batch is then resized as a whole to a canvas drawn from `canvases`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from assay.data.images.placement import Canvas
from assay.errors import ParamsError


@dataclass(frozen=True)
class Recipe:
    """Largest changes of an image: shift and erase relative to its side, angle in degrees, scale and light relative."""

    shift: float = 0.0
    angle: float = 0.0
    scale: float = 0.0
    flip: bool = False
    light: float = 0.0
    """Brightness (added) and contrast (about the mean of the image) change by up to this much."""
    erase: float = 0.0


RECIPES = {
    "none": Recipe(),
    "light": Recipe(shift=0.08, angle=10, scale=0.1),
    "flips": Recipe(shift=0.08, angle=10, scale=0.1, flip=True),
    "strong": Recipe(shift=0.12, angle=20, scale=0.25, flip=True, light=0.3, erase=0.4),
}

GRID = 32
"""px: sides of the canvases of several scales are multiples of this, which networks with maps of 1/32 need."""

Affines = NDArray[np.float64]
Draw = Callable[[int], torch.Tensor]


def augment(images: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[torch.Tensor, Affines]:
    """(n, c, h, w) in 0…1 -> augmented images of the same shape, and the maps (n, 2, 3) of their pixels.

    All random numbers come from the generator, which is on the CPU on any device of the images: equal draws everywhere.
    """
    n = len(images)
    if recipe == Recipe():
        return images, np.broadcast_to(np.eye(2, 3), (n, 2, 3))

    def draw(columns: int) -> torch.Tensor:
        """Uniform in −1…1, (n, columns)."""
        return (torch.rand(n, columns, generator=generator) * 2 - 1).to(images.device)

    moves = _moves(recipe, images.shape[2:], draw)
    images = _moved(images, moves)
    if recipe.light:
        images = _relight(images, recipe.light, draw)
    if recipe.erase:
        images = _erase(images, recipe.erase, draw)
    return images, pixel_maps(moves.cpu().double().numpy(), *images.shape[2:])


def canvases(canvas: Canvas, scale: Sequence[float]) -> list[Canvas]:
    """Canvases of the shape of one, from scale[0] to scale[1] times as large, the smallest first; sides of n × GRID px.

    ParamsError if there are fewer than two.
    """
    longer, shorter = max(canvas), min(canvas)
    first, last = math.ceil(scale[0] * longer / GRID), math.floor(scale[1] * longer / GRID)
    sides = [(max(1, round(n * shorter / longer)) * GRID, n * GRID) for n in range(max(first, 1), last + 1)]
    if len(sides) < 2:
        raise ParamsError(
            f"train.scale: {list(scale)} of {longer} px leaves {len(sides) or 'no'} size in steps of {GRID} px",
            hint="a wider range, a larger train.image_size, or null",
        )
    return sides if canvas[1] >= canvas[0] else [(long, short) for short, long in sides]


def resized(images: torch.Tensor, canvas: Canvas) -> torch.Tensor:
    """(n, c, h, w) -> (n, c, *canvas), without aliasing."""
    return F.interpolate(images, canvas, mode="bilinear", antialias=True)


def _moves(recipe: Recipe, shape: torch.Size, draw: Draw) -> torch.Tensor:
    """(n, 2, 3) maps from the augmented to the original image, in coordinates of −1…1, as for `affine_grid`."""
    height, width = shape
    turn, zoom, dx, dy, mirror = draw(5).unbind(1)
    angle = turn * math.radians(recipe.angle)
    scale = 1 + zoom * recipe.scale
    cos, sin = angle.cos() * scale, angle.sin() * scale
    flip = torch.where(mirror < 0, -1.0, 1.0) if recipe.flip else torch.ones_like(mirror)
    # the coordinates of grid_sample run from −1 to 1 on both axes: a rotation depends on the aspect ratio
    aspect = height / width
    top = torch.stack([cos * flip, -sin * aspect, dx * recipe.shift * 2], 1)
    bottom = torch.stack([sin * flip / aspect, cos, dy * recipe.shift * 2], 1)
    return torch.stack([top, bottom], 1)


def _moved(images: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """The images resampled once by their maps; pixels from outside the image repeat its edge."""
    n, _, height, width = images.shape
    grid = F.affine_grid(moves, [n, 1, height, width], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def pixel_maps(moves: Affines, height: int, width: int) -> Affines:
    """(n, 2, 3) maps of the pixels from the original to the augmented image: the inverse of `moves`, in pixels."""
    half = np.array([width / 2, height / 2])
    linear = np.linalg.inv(moves[:, :, :2] * half[:, None] / half)
    # pixel p of the augmented image is pixel half (A (p / half − 1) + t + 1) of the original
    begun = half * (1 + moves[:, :, 2] - moves[:, :, :2].sum(2))
    return np.concatenate([linear, -linear @ begun[:, :, None]], axis=2)


def _relight(images: torch.Tensor, most: float, draw: Draw) -> torch.Tensor:
    brightness, contrast = (draw(2) * most).view(-1, 2, 1, 1, 1).unbind(1)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * (1 + contrast) + mean + brightness / 2).clamp_(0, 1)


def _erase(images: torch.Tensor, side: float, draw: Draw) -> torch.Tensor:
    """Fill a rectangle, of sides up to `side` of the image's, with the image's mean (DeVries & Taylor 2017)."""
    _, _, height, width = images.shape
    x, y, w, h = ((draw(4) + 1) / 2).unbind(1)
    inside = _within(width, x, w * side).unsqueeze(1) & _within(height, y, h * side).unsqueeze(2)
    return torch.where(inside.unsqueeze(1), images.mean((1, 2, 3), keepdim=True), images)


def _within(length: int, centre: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
    """(n, length) bool: pixels of an axis within `extent` / 2 of `centre`; all in 0…1."""
    places = (torch.arange(length, device=centre.device) + 0.5) / length
    return (places - centre.unsqueeze(1)).abs() <= extent.unsqueeze(1) / 2
