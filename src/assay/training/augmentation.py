"""Batched augmentation: one set of tensor operations for the whole batch, with other random numbers for each image.

none     images as they are
light    shifted, turned and scaled a little: right for digits, parts, scans, anything with an upright
flips    light, and mirrored left to right half of the time
strong   more of that, brightness and contrast, and a rectangle erased
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray


@dataclass(frozen=True)
class Recipe:
    """How far an image may be moved: shift and erase in parts of its side, angle in degrees, the rest as factors."""

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

Affines = NDArray[np.float64]
Draw = Callable[[int], torch.Tensor]


def augment(images: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[torch.Tensor, Affines]:
    """(n, c, h, w) in 0…1 -> the same shape, changed as the recipe allows; and where its pixels went, (n, 2, 3).

    All chance comes from the generator, which is one of the CPU, whatever the device of the images: the same draws
    everywhere.
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


def _moves(recipe: Recipe, shape: torch.Size, draw: Draw) -> torch.Tensor:
    """(n, 2, 3) from the image that is made to the one there is, in coordinates of −1…1: as `affine_grid` has it."""
    height, width = shape
    turn, zoom, dx, dy, mirror = draw(5).unbind(1)
    angle = turn * math.radians(recipe.angle)
    scale = 1 + zoom * recipe.scale
    cos, sin = angle.cos() * scale, angle.sin() * scale
    flip = torch.where(mirror < 0, -1.0, 1.0) if recipe.flip else torch.ones_like(mirror)
    # grid_sample's coordinates run from −1 to 1 on both axes: a turn of an oblong image must know its sides
    aspect = height / width
    top = torch.stack([cos * flip, -sin * aspect, dx * recipe.shift * 2], 1)
    bottom = torch.stack([sin * flip / aspect, cos, dy * recipe.shift * 2], 1)
    return torch.stack([top, bottom], 1)


def _moved(images: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """Turned, scaled, shifted and mirrored in one resampling; what comes into view repeats the edge."""
    n, _, height, width = images.shape
    grid = F.affine_grid(moves, [n, 1, height, width], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def pixel_maps(moves: Affines, height: int, width: int) -> Affines:
    """From `moves` (n, 2, 3) to where the pixels of the image went: the inverse, in pixels."""
    half = np.array([width / 2, height / 2])
    linear = np.linalg.inv(moves[:, :, :2] * half[:, None] / half)
    # in pixels p of the image made: what was at half (A (p / half − 1) + t + 1) is at p now
    begun = half * (1 + moves[:, :, 2] - moves[:, :, :2].sum(2))
    return np.concatenate([linear, -linear @ begun[:, :, None]], axis=2)


def _relight(images: torch.Tensor, most: float, draw: Draw) -> torch.Tensor:
    brightness, contrast = (draw(2) * most).view(-1, 2, 1, 1, 1).unbind(1)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * (1 + contrast) + mean + brightness / 2).clamp_(0, 1)


def _erase(images: torch.Tensor, side: float, draw: Draw) -> torch.Tensor:
    """Paint a rectangle, at most `side` of the image each way, in the mean of the image (DeVries & Taylor 2017)."""
    _, _, height, width = images.shape
    x, y, w, h = ((draw(4) + 1) / 2).unbind(1)
    inside = _within(width, x, w * side).unsqueeze(1) & _within(height, y, h * side).unsqueeze(2)
    return torch.where(inside.unsqueeze(1), images.mean((1, 2, 3), keepdim=True), images)


def _within(length: int, centre: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
    """(n, length) bool: which pixels of an axis lie at most half of `extent` from `centre`, all in 0…1."""
    places = (torch.arange(length, device=centre.device) + 0.5) / length
    return (places - centre.unsqueeze(1)).abs() <= extent.unsqueeze(1) / 2
