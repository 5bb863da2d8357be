"""Rotated boxes: assay has no angle, so they become polygons."""

from __future__ import annotations

import math
from typing import Any

from assay.data.annotations import Box

DIGITS = 10
"""Decimals of pixels that are kept, so that a rotation by 0 or 90 degrees is exact."""


def rotated(box: Box, degrees: float, about: tuple[float, float]) -> dict[str, Any]:
    """The fields of a box rotated clockwise (y points down) about a point, all in pixels.

    A box again for multiples of 90 degrees, otherwise its polygon.
    """
    if degrees % 360 == 0:
        return {"bbox": box}
    x, y, w, h = box
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [
        (
            round(about[0] + (px - about[0]) * cos - (py - about[1]) * sin, DIGITS),
            round(about[1] + (px - about[0]) * sin + (py - about[1]) * cos, DIGITS),
        )
        for px, py in ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    ]
    if degrees % 90:
        return {"segmentation": [[value for corner in corners for value in corner]]}
    across, down = zip(*corners, strict=True)
    return {"bbox": (min(across), min(down), max(across) - min(across), max(down) - min(down))}
