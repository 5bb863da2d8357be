"""The Exif orientation of an image, and the transform that makes its pixels upright."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

TAG = 0x112
UPRIGHT = 1

TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: p.swapaxes(0, 1)[:, ::-1],
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: p.swapaxes(0, 1)[::-1],
}
"""Orientation -> map of stored pixels (h, w, …) to upright pixels; 5 to 8 swap height and width."""

EXIF = b"Exif\0\0"
APP1, START_OF_SCAN, FILL = b"\xe1", b"\xda", b"\xff"
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
SHORT = 3


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels (h, w, …) of the upright image, contiguous."""
    return np.ascontiguousarray(TURNS[orientation](pixels))


def size_upright(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height of the upright image."""
    return (height, width) if orientation > 4 else (width, height)


def of_jpeg(data: bytes) -> int:
    """The Exif orientation of a JPEG, 1 to 8; 1 if it is missing or invalid."""
    if EXIF not in data:
        return UPRIGHT
    try:
        return _of_tiff(_exif_block(data))
    except struct.error:
        return UPRIGHT


def _exif_block(data: bytes) -> bytes:
    """The Exif block among the header segments of a JPEG; b"" if there is none before the pixels."""
    at = 2
    while data[at : at + 1] == FILL and (marker := data[at + 1 : at + 2]) != START_OF_SCAN:
        if marker == FILL:
            at += 1
            continue
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == APP1 and data[at + 4 : at + 10] == EXIF:
            return data[at + 10 : at + 2 + size]
        at += 2 + size
    return b""


def _of_tiff(exif: bytes) -> int:
    """The orientation in the first directory of an Exif block (TIFF 6.0, section 2)."""
    if (order := BYTE_ORDERS.get(exif[:4])) is None:
        return UPRIGHT
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    (entries,) = struct.unpack_from(f"{order}H", exif, start)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        tag, kind, _count, value = struct.unpack_from(f"{order}HHIH", exif, at)
        if tag == TAG:
            return checked(value) if kind == SHORT else UPRIGHT
    return UPRIGHT


def checked(orientation: object) -> int:
    """`orientation` if it is one of the eight, 1 otherwise."""
    return orientation if isinstance(orientation, int) and orientation in TURNS else UPRIGHT
