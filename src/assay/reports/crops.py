"""Objects in their surroundings: the part of an image around a box, as a data URI, and the window it shows."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
import simplejpeg
from PIL import Image

from assay.data.annotations import Box
from assay.data.images.decode import decode
from assay.data.pool import Pool
from assay.errors import BadImage
from assay.progress import Progress, silent, track

AROUND = 2.5
"""Sides of the window, in the longer side of the box."""
LEAST = 64
"""Smallest side of the window, px of the image."""
SIDE = 320
"""Longest side of a picture, px."""
Window = tuple[int, int, int, int]
"""x, y, width, height in px of the upright image."""


def window(box: Box, width: int, height: int) -> Window:
    """The part of an image of `width` × `height` px around a box; inside the image."""
    side = max(AROUND * max(box[2:]), LEAST)
    x, y = box[0] + box[2] / 2 - side / 2, box[1] + box[3] / 2 - side / 2
    left, top = (int(np.clip(start, 0, max(0, end - side))) for start, end in ((x, width), (y, height)))
    return left, top, int(min(width - left, np.ceil(side))), int(min(height - top, np.ceil(side)))


def around(*boxes: Sequence[float] | None) -> Box:
    """The smallest box around those that are given, at least one."""
    there = np.array([box for box in boxes if box is not None], np.float64)
    x, y = there[:, :2].min(0).tolist()
    right, bottom = (there[:, :2] + there[:, 2:]).max(0).tolist()
    return x, y, right - x, bottom - y


def crops(
    boxes: Mapping[int, tuple[str, Box]], pool: Pool, progress: Progress = silent
) -> dict[int, tuple[str, Window]]:
    """{key: (data URI, window)} of {key: (id of an image, box)}; each image is decoded once."""
    of: dict[str, list[int]] = defaultdict(list)
    for key, (sample, _) in boxes.items():
        of[sample].append(key)
    found: dict[int, tuple[str, Window]] = {}
    for sample, data in track(progress, pool.read_many(list(of)), "pictures", len(of)):
        with suppress(BadImage):
            pixels = decode(data)
            for key in of[sample]:
                shown = window(boxes[key][1], pixels.shape[1], pixels.shape[0])
                found[key] = _picture(pixels, shown), shown
    return found


def _picture(pixels: np.ndarray, shown: Window) -> str:
    x, y, width, height = shown
    image = Image.fromarray(pixels[y : y + height, x : x + width])
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    encoded = simplejpeg.encode_jpeg(np.ascontiguousarray(np.asarray(image)), 85, "RGB", "420")
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"
