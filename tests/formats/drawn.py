"""Annotations of every kind on images of one size, for the tests of what is written."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from assay.data import masks
from assay.data.annotations import Annotation
from assay.formats._files import png_of

WIDTH, HEIGHT = 24, 16
CLASSES = ("cat", "dög & co")
VALUES = st.booleans() | st.integers(0, 3) | st.sampled_from(["Left", "true", "a; b"])


def jpeg(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), shade).save(stream, "JPEG")
    return stream.getvalue()


DATA = [jpeg(40 * n) for n in range(3)]


def blob(draw) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for _ in range(draw(st.integers(1, 3))):
        x, y = draw(st.integers(0, WIDTH - 2)), draw(st.integers(0, HEIGHT - 2))
        mask[y : y + draw(st.integers(1, 8)), x : x + draw(st.integers(1, 8))] ^= True
    mask[0, 0] = True
    return mask


@st.composite
def objects(draw, kinds=("tag", "box", "polygon", "parts", "pierced", "mask", "both")) -> Annotation:
    x, y = draw(st.integers(0, 40)) / 2, draw(st.integers(0, 24)) / 2
    w, h = draw(st.integers(1, 8)) / 2, draw(st.integers(1, 8)) / 2
    kind = draw(st.sampled_from(kinds))
    said = {"category": draw(st.sampled_from(CLASSES))}
    if kind in ("box", "both"):
        said["bbox"] = (x, y, w, h)
    if kind in ("polygon", "parts", "both"):
        parts = [[x, y, x + w, y, x + w, y + h], [0, 0, 3, 0, 3, 3]]
        said["segmentation"] = parts if kind == "parts" else parts[:1]
    if kind == "pierced":
        said["segmentation"] = [[[2, 2, 10, 2, 10, 10, 2, 10], [4, 4, 8, 4, 8, 8, 4, 8]]]
    if kind == "mask":
        said["segmentation"] = masks.encode(blob(draw))
    if draw(st.integers(0, 3)) == 0:
        said["attributes"] = draw(
            st.dictionaries(
                st.sampled_from(["difficult", "occluded", "pose", "n", "description"]), VALUES, max_size=2
            )
        )
    said["iscrowd"] = kind != "tag" and draw(st.integers(0, 3)) == 0
    return Annotation.model_validate(said)


def pixels(one: Annotation) -> str | None:
    """The pixels of an outline; an outline that covers none is as good as its box."""
    if one.segmentation is None:
        return None
    mask = masks.rasterized(one.segmentation, HEIGHT, WIDTH)
    return masks.encode(mask).counts if mask.any() else None


def bomb() -> bytes:
    """A PNG of 200 million pixels, by its header."""
    data = png_of(np.ones((2, 2), np.uint8))
    header = b"IHDR" + struct.pack(">II", 20_000, 10_000) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
