"""Objects on a picture as matplotlib's patches: their outlines, or their boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path

from assay.data.contours import polygons_of
from assay.metrics.annotated import pixels_of
from assay.metrics.judged import Mark

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
MARKS: Mapping[str, tuple[str, Literal["-", "--"]]] = {
    "given": (GREEN, "--"),
    "right": (BLUE, "-"),
    "wrong": (ORANGE, "-"),
}


def patch(mark: Mark) -> Patch:
    """In the coordinates of `imshow`, where the middle of the first pixel is 0, 0."""
    color, style = MARKS[mark.kind]
    look: dict[str, Any] = {"fill": False, "edgecolor": color, "linewidth": 1, "linestyle": style}
    if mark.mask is None:
        x, y, w, h = mark.box
        return Rectangle((x - 0.5, y - 0.5), w, h, **look)
    rings = (np.reshape(ring, (-1, 2)) - 0.5 for part in polygons_of(pixels_of(mark.mask)) for ring in part)
    closed = [Path(np.concatenate([ring, ring[:1]]), closed=True) for ring in rings]
    return PathPatch(Path.make_compound_path(*closed), **look)
