"""Size and orientation of an image from its header, and objects mapped from the stored to the upright image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from assay.data.annotations import Annotation
from assay.data.images.decode import XMP
from assay.data.images.orientation import TAG, TURNS, UPRIGHT, checked, size_upright
from assay.data.outlines import RLE, Polygons

Point = tuple[float, float]
MOVES: dict[int, Callable[[float, float, float, float], Point]] = {
    1: lambda x, y, w, h: (x, y),
    2: lambda x, y, w, h: (w - x, y),
    3: lambda x, y, w, h: (w - x, h - y),
    4: lambda x, y, w, h: (x, h - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}
"""Orientation -> map of a point of the stored image (w × h px) to the upright one: TURNS for points."""


class Frame(NamedTuple):
    """Width and height as stored, and the Exif orientation."""

    width: int
    height: int
    orientation: int = UPRIGHT

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the upright image."""
        return size_upright(self.width, self.height, self.orientation)


def frame_of(file: Path) -> Frame | None:
    """The frame of an image file; None if it is no readable image."""
    try:
        with Image.open(file) as image:
            return Frame(*image.size, _orientation(image, file))
    except Exception:  # for a damaged header Pillow may raise any exception; ingest reports the defect
        return None


def _orientation(image: Image.Image, file: Path) -> int:
    """The Exif orientation. Pillow turns TIFFs itself; for Exif after the pixels of a PNG it would decode all of it."""
    if image.format == "TIFF" or (
        image.format == "PNG" and "exif" not in image.info and b"eXIf" not in file.read_bytes()
    ):
        return UPRIGHT
    for xmp in XMP:
        image.info.pop(xmp, None)
    return checked(image.getexif().get(TAG))


def turned(one: Annotation, frame: Frame) -> Annotation:
    """An object, in pixels of the stored image, mapped to the upright one."""
    if frame.orientation == UPRIGHT or one.is_tag:
        return one
    outline = one.segmentation
    held: dict[str, Any] = {"bbox": one.bbox and _box(one.bbox, frame)}
    if isinstance(outline, RLE):
        from assay.data import masks

        held["segmentation"] = masks.encode(
            TURNS[frame.orientation](masks.decode(outline).astype(np.uint8)).astype(bool)
        )
    elif outline is not None:
        held["segmentation"] = _rings(outline, frame)
    return one.model_copy(update=held)


def _box(box: tuple[float, float, float, float], frame: Frame) -> tuple[float, float, float, float]:
    x, y, w, h = box
    ends = [MOVES[frame.orientation](*corner, *frame[:2]) for corner in ((x, y), (x + w, y + h))]
    (left, right), (top, bottom) = (sorted(values) for values in zip(*ends, strict=True))
    return left, top, right - left, bottom - top


def _rings(parts: Polygons, frame: Frame) -> Polygons:
    move, (w, h) = MOVES[frame.orientation], frame[:2]
    return tuple(
        tuple(
            tuple(v for x, y in zip(ring[::2], ring[1::2], strict=True) for v in move(x, y, w, h))
            for ring in part
        )
        for part in parts
    )
