"""PNG bytes: check of the checksums that decoders skip, and an encoder with equal bytes on every machine."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.errors import BadImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ANCILLARY = 0x20
"""Bit of the first letter of a chunk's name: set if the chunk is not needed for the pixels."""


def check_png(data: bytes) -> None:
    """Check all chunks. BadImage if one is truncated, or if one that the pixels need is damaged."""
    view, at = memoryview(data), len(SIGNATURE)
    while at < len(data):
        end = at + 12 + int.from_bytes(view[at : at + 4], "big")
        if end > len(data):
            break
        name = bytes(view[at + 4 : at + 8])
        if not name[0] & ANCILLARY and zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(
            view[end - 4 : end]
        ):
            raise BadImage(f"corrupt: checksum of PNG chunk {name!r}")
        if name == b"IEND":
            return
        at = end
    raise BadImage("truncated")


def mend_colour_key(image: Any, data: bytes) -> None:
    """Scale the transparent colour of an opened PNG like its pixels; Pillow leaves it as stored."""
    bits, key = data[24], image.info.get("transparency")
    if key is None or image.mode not in ("L", "RGB"):
        return
    if bits == 16:
        raise BadImage("unsupported: a transparent colour of 16 bits")  # Pillow drops the pixels' low bytes
    white = 2**bits - 1
    scaled = [(value & white) * (255 // white) for value in np.ravel(key).tolist()]
    image.info["transparency"] = tuple(scaled) if image.mode == "RGB" else scaled[0]


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Grey uint8 (h, w), at most 64 KB -> an uncompressed PNG.

    Uncompressed, as zlib and its successors compress differently: the content id is then equal on every machine.
    """
    height, width = pixels.shape
    rows = np.insert(pixels, 0, 0, axis=1).tobytes()  # a leading 0 per row: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
    packed = stored + struct.pack(">I", zlib.adler32(rows))
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
