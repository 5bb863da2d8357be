"""PNG by the byte: the checksums that decoders skip, and an encoder whose bytes are the same anywhere."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.errors import BadImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ANCILLARY = 0x20
"""The bit of a chunk's first letter that says: not needed for the pixels."""


def check_png(data: bytes) -> None:
    """Walk the chunks to the last. BadImage if one is cut off or, where the pixels need it, damaged."""
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
    """Put the transparent colour of Pillow's opened PNG to the scale of its pixels; Pillow leaves it as stored."""
    bits, key = data[24], image.info.get("transparency")
    if key is None or image.mode not in ("L", "RGB"):
        return
    if bits == 16:
        raise BadImage("unsupported: a transparent colour of 16 bits")  # the pixels' low bytes are gone
    white = 2**bits - 1
    scaled = [(value & white) * (255 // white) for value in np.ravel(key).tolist()]
    image.info["transparency"] = tuple(scaled) if image.mode == "RGB" else scaled[0]


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Grey uint8 (h, w), at most 64 KB -> an uncompressed PNG.

    Uncompressed, as zlib and its successors pack differently: stored, the content id is the same anywhere.
    """
    height, width = pixels.shape
    rows = np.insert(pixels, 0, 0, axis=1).tobytes()  # a leading 0 a row: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
    packed = stored + struct.pack(">I", zlib.adler32(rows))
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
