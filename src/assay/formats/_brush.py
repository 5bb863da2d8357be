"""Masks in Label Studio's brush format: RGBA values, pixel by pixel along the rows, in bit-packed run lengths.

The bits, the highest of each byte first (the format of thi.ng/rle-pack):

| bits               | meaning                                                                  |
|--------------------|--------------------------------------------------------------------------|
| 32                 | number of values: 4 × width × height                                     |
| 5                  | bits of a value, less 1                                                  |
| 4 × 4              | bits of a length in each of four size classes, less 1                    |
| then, repeated: 1  | 1: one value, repeated; 0: as many values                                |
| 2, and by its size | size class, and the length, less 1                                       |
| 8, or 8 each       | the value or values                                                      |

A pixel belongs to the mask if its alpha is above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.data.masks import Mask

VALUE_BITS = 8
LENGTH_BITS = (3, 4, 8, 16)
"""Of the four size classes that are written; any are read."""
LONGEST = 1 << LENGTH_BITS[-1]
OPAQUE = 255


def decoded(rle: Any, width: int, height: int) -> Mask:
    """(height, width) mask. ValueError if `rle` is no list of bytes, ends too early, or is of another size."""
    try:
        bits = Bits(bytes(rle))
    except (TypeError, ValueError):
        raise ValueError("rle is no list of bytes") from None
    if (total := bits.take(32)) != 4 * width * height:
        raise ValueError(f"a brush of {total / 4:,.0f} px on an image of {width} × {height} px")
    if bits.take(5) + 1 != VALUE_BITS:
        raise ValueError("rle has values of another size than 8 bits")
    sizes = [bits.take(4) + 1 for _ in range(4)]
    values = np.empty(total, np.uint8)
    at = 0
    while at < total:
        is_run, size = bits.take(1), sizes[bits.take(2)]
        end = at + bits.take(size) + 1
        if end > total:
            raise ValueError("rle has more values than its number says")
        values[at:end] = bits.take(VALUE_BITS) if is_run else bits.values(end - at)
        at = end
    return values[3::4].reshape(height, width) > 0


class Bits:
    """Reader of bits, the highest of each byte first. ValueError at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> int:
        """The next n bits as a number; n is at most 32."""
        first, self.at = self.at // 8, self.at + n
        self._check()
        window = self.data[first : (self.at + 7) // 8]
        return int.from_bytes(window) >> (-self.at % 8) & ((1 << n) - 1)

    def values(self, n: int) -> NDArray[np.uint8]:
        """The next n values of 8 bits."""
        start, self.at = self.at, self.at + VALUE_BITS * n
        self._check()
        window = np.frombuffer(self.data[start // 8 : (self.at + 7) // 8], np.uint8)
        return np.packbits(np.unpackbits(window)[start % 8 :][: VALUE_BITS * n])

    def _check(self) -> None:
        if self.at > 8 * len(self.data):
            raise ValueError("rle ends too early")


def encoded(mask: Mask) -> list[int]:
    """The bytes of a mask (height, width): its pixels are opaque and white, the others transparent."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
    lengths = 4 * np.diff(np.append(starts, flat.size))
    sizes = "".join(f"{size - 1:04b}" for size in LENGTH_BITS)
    words = [f"{4 * flat.size:032b}{VALUE_BITS - 1:05b}{sizes}"]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        words += _runs(length, OPAQUE if flat[start] else 0)
    text = "".join(words)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8))


def _runs(length: int, value: int) -> Sequence[str]:
    """One value `length` times, in words of at most LONGEST values."""
    pieces = [LONGEST] * (length // LONGEST) + ([length % LONGEST] if length % LONGEST else [])
    words = []
    for piece in pieces:
        kind, size = next((k, size) for k, size in enumerate(LENGTH_BITS) if piece <= 1 << size)
        words.append(f"1{kind:02b}{piece - 1:0{size}b}{value:0{VALUE_BITS}b}")
    return words
