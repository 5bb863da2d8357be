"""Defects of real collections, to plant in the demo's grey images, uint8 (h, w); reproducible from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from assay.data.images.png import encode_png

Grey = NDArray[np.uint8]
Rng = np.random.Generator

PURPOSES = (
    "order",
    "hidden",
    "wrong_label",
    "wrong_to",
    "exact",
    "near",
    "blurred",
    "blank",
    "corrupt",
    "pixels",
    "missing",
)


def stream(seed: int, purpose: str) -> Rng:
    """A random stream for one purpose: the number of planted defects of one kind does not affect the others."""
    return np.random.default_rng([seed, PURPOSES.index(purpose)])


def blur(image: Grey, passes: int = 8) -> Grey:
    """Defocus by a repeated binomial filter, in integers: equal on every machine."""
    blurred = image.astype(np.int32)
    for _ in range(passes):
        for axis in (0, 1):
            padded = np.pad(blurred, [(1, 1) if axis == a else (0, 0) for a in (0, 1)], mode="edge")
            n = blurred.shape[axis]
            left, middle, right = (np.take(padded, range(k, k + n), axis) for k in range(3))
            blurred = (left + 2 * middle + right + 2) // 4
    return blurred.astype(np.uint8)


def blank(image: Grey, rng: Rng) -> Grey:
    """An almost black image with sensor noise, as with a covered lens."""
    return rng.integers(0, 4, image.shape, dtype=np.uint8)


def _shifted(image: Grey, rng: Rng) -> bytes:
    return encode_png(np.roll(image, 1 if rng.random() < 0.5 else -1, axis=int(rng.integers(2))))


def _darker(image: Grey, _rng: Rng) -> bytes:
    return encode_png((image.astype(np.uint16) * 7 // 8).astype(np.uint8))


def _noisy(image: Grey, rng: Rng) -> bytes:
    noisy = image.astype(np.int16) + rng.integers(-6, 7, image.shape, dtype=np.int16)
    return encode_png(noisy.clip(0, 255).astype(np.uint8))


def _recompressed(image: Grey, _rng: Rng) -> bytes:
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image[..., None]), quality=90, colorspace="GRAY", colorsubsampling="Gray"
    )
    return encoded


NEAR: tuple[tuple[str, Callable[[Grey, Rng], bytes]], ...] = (
    ("png", _darker),
    ("png", _noisy),
    ("jpg", _recompressed),
    ("png", _shifted),
)
"""Kinds of near-duplicates, used in turn: suffix and encoder."""


def near_copy(image: Grey, turn: int, rng: Rng) -> tuple[str, bytes]:
    """Suffix and bytes of a near-duplicate of `image`."""
    suffix, encode = NEAR[turn % len(NEAR)]
    return suffix, encode(image, rng)


def corrupt(image: Grey, turn: int) -> bytes:
    """Bytes that are no image: truncated, empty, or HTML, in turn."""
    whole = encode_png(image)
    return (whole[: len(whole) // 2], b"", f"<html>404: image {turn} not found</html>\n".encode())[turn % 3]
