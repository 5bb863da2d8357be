"""COCO's run lengths, down the columns, background and object alternating: as numbers (n,) and as compressed text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

LARGEST = 2**31
"""Pixels at which COCO's run lengths overflow."""

Runs = NDArray[np.int64]


def canonical(counts: Any, height: int, width: int) -> str:
    """Canonical compressed text of a mask, from compressed text or numbers. ValueError for invalid counts."""
    if height * width >= LARGEST:
        raise ValueError(f"{height} × {width} pixels are too many for a mask")
    runs = uncompressed(counts) if isinstance(counts, str | bytes) else _whole(counts)
    return compressed(merged(runs, height * width), height, width)


def _whole(counts: Any) -> Runs:
    if not isinstance(counts, list | tuple) or not all(type(n) is int and 0 <= n < LARGEST for n in counts):
        raise ValueError("counts are neither text nor whole numbers")
    return np.asarray(counts, np.int64)


def merged(runs: Runs, pixels: int) -> Runs:
    """The same mask with no empty run but the first. ValueError if the sum is not `pixels`, or the mask is empty."""
    if runs.size and runs.min() < 0:
        raise ValueError("a run length is negative")
    if (total := int(runs.sum())) != pixels:
        raise ValueError(f"run lengths come to {total:,} pixels, the size to {pixels:,}")
    if not runs[1::2].any():
        raise ValueError("a mask without a pixel")
    values = np.arange(len(runs)) % 2
    values, runs = values[runs > 0], runs[runs > 0]
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    merged = np.add.reduceat(runs, starts)
    return np.concatenate([[0], merged]) if values[0] else merged


def uncompressed(counts: str | bytes) -> Runs:
    """Run lengths from COCO's compressed text: digits of 5 bits, the lowest first, as characters 48 (`0`) and above.

    From the fourth run on, the difference to the run before the last one is stored. ValueError for invalid text.
    """
    text = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not digits.size or digits.min() < 0 or digits.max() > 63 or digits[-1] & 32:
        raise ValueError("counts are not COCO's compressed text")
    ends = np.flatnonzero(digits & 32 == 0)
    starts = np.append(0, ends[:-1] + 1)
    if (ends - starts).max() > 6:
        raise ValueError("a run length is too large")
    place = np.arange(len(digits)) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((digits & 31) << 5 * place, starts)
    values -= np.where(digits[ends] & 16, 1 << 5 * (ends - starts + 1), 0)
    for first in (1, 2):  # odd and even runs separately; run 0 is in neither sum
        values[first::2] = np.cumsum(values[first::2])
    return values


def compressed(runs: Runs, height: int, width: int) -> str:
    """COCO's compressed text of run lengths; the inverse of `uncompressed`."""
    held = coco.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)
    return str(held["counts"].decode())
