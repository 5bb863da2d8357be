"""Image statistics that do not depend on the content: brightness, contrast, entropy, sharpness. For audit and slices.

Computed for stacks of images of one size, from a histogram of their luma, in integers: 15,000 images of 32×32 per
second on one core. Dark and bright images are detected by percentiles, as in cleanvision: a black background does not
make an image dark, nor a white one bright.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from assay.data.near_duplicates import area_sums

Row = dict[str, np.ndarray]

LARGEST = 256
"""Longest side for statistics; larger images are first reduced by an integer factor, averaging."""
SHARPNESS_AT = 64
"""Longest side for sharpness, so that a small and a large copy of an image have similar values."""
DECIMALS = 6
LUMA = np.array([19595, 38470, 7471], np.uint32)
"""Rec. 601 luma as integers out of 65536."""


def shrink(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3) whose longest side is at most LARGEST; the same array if it is already."""
    factor = -(-max(pixels.shape[:2]) // LARGEST)
    if factor == 1:
        return pixels
    h, w = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).reduce((min(factor, w), min(factor, h))))


def luma(pixels: np.ndarray) -> np.ndarray:
    """Grey (n, h, w) of RGB (n, h, w, 3), both uint8."""
    return np.asarray((pixels @ LUMA + 32768) >> 16).astype(np.uint8)


def measure(grey: np.ndarray) -> Row:
    """The statistics TRAITS of images (n, h, w) uint8: each (n,) float32."""
    n, h, w = grey.shape
    flat = grey.reshape(n, h * w).astype(np.int64) + 256 * np.arange(n)[:, None]
    histogram = np.bincount(flat.ravel(), minlength=256 * n).reshape(n, 256)
    values = {name: trait(histogram) for name, trait in TRAITS.items()}
    values["sharpness"] = _sharpness(grey)
    # rounded, as the last digits of a logarithm depend on the processor
    return {name: np.round(v, DECIMALS).astype(np.float32) for name, v in values.items()}


def _brightness(histogram: np.ndarray) -> np.ndarray:
    return np.asarray(histogram @ np.arange(256) / histogram.sum(axis=1) / 255)


def _contrast(histogram: np.ndarray) -> np.ndarray:
    n, levels = histogram.sum(axis=1), np.arange(256)
    total, squares = histogram @ levels, histogram @ levels**2
    return np.asarray(np.sqrt(n * squares - total**2) / n / 255)


def _percentile(percent: int) -> Callable[[np.ndarray], np.ndarray]:
    """The least level that at least `percent` of the pixels do not exceed, in 0…1."""

    def level(histogram: np.ndarray) -> np.ndarray:
        enough = 100 * histogram.cumsum(axis=1) >= percent * histogram.sum(axis=1, keepdims=True)
        return np.asarray(enough.argmax(axis=1) / 255)

    return level


def _entropy(histogram: np.ndarray) -> np.ndarray:
    p = histogram / histogram.sum(axis=1, keepdims=True)
    bits = np.log2(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(np.abs((p * bits).sum(axis=1)))


TRAITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "percentile_5": _percentile(5),
    "percentile_99": _percentile(99),
    "entropy": _entropy,
}
"""From the histograms (n, 256) of luma. Mean, standard deviation and percentiles in 0…1; entropy in bits, 0…8."""
NAMES = (*TRAITS, "sharpness")


def _sharpness(grey: np.ndarray) -> np.ndarray:
    """(n,) standard deviation of the Laplacian over that of the image: independent of the contrast. 0 if flat.

    Photographs and digits have 0.3 to 3; blurred by a Gaussian of 1/14 of their width (2 pixels of 28), at most 0.27.
    """
    image = _small(grey)
    if min(image.shape[1:]) < 3:
        return np.ones(len(image), np.float32)
    neighbours = image[:, :-2, 1:-1] + image[:, 2:, 1:-1] + image[:, 1:-1, :-2] + image[:, 1:-1, 2:]
    laplacian = 4 * image[:, 1:-1, 1:-1] - neighbours
    contrast = image.std(axis=(1, 2))
    relative = np.divide(
        laplacian.std(axis=(1, 2)), contrast, out=np.zeros_like(contrast), where=contrast > 0
    )
    return np.asarray(relative)


def _small(grey: np.ndarray) -> np.ndarray:
    """float32 images whose longest side is at most SHARPNESS_AT, averaged by area."""
    h, w = grey.shape[1:]
    longest = max(h, w)
    if longest <= SHARPNESS_AT:
        return grey.astype(np.float32)
    rows, columns = (max(1, round(side * SHARPNESS_AT / longest)) for side in (h, w))
    return np.asarray(area_sums(grey, rows, columns) / np.float32(h * w), np.float32)
