"""Reads one file of a source; files that are too large, or no images by their first bytes, are not read in full."""

from __future__ import annotations

import os

from assay.data.images.decode import sniff
from assay.errors import BadImage

HEAD = 1 << 10
"""First bytes that identify the format of a file."""
AT_ONCE = 1 << 20
"""Files up to this size in bytes are read in one system call: for small files a second one costs more than hashing."""


def read_file(file: str, size: int, most: int) -> bytes:
    """The bytes of a file of about `size`. BadImage if it has more than `most`, or is large and no image; OSError."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        data = os.read(handle, max(size + 1, HEAD) if size <= AT_ONCE else HEAD)
        if len(data) == size:
            return data
        sniff(data)
        if size > most:
            raise BadImage(_too_large(size, most))
        return _whole(handle, data, size, most)
    finally:
        os.close(handle)


def _whole(handle: int, head: bytes, size: int, most: int) -> bytes:
    """`head` and the rest of the file, in one call unless the file grows or reads are short."""
    parts, total = [head], len(head)
    while part := os.read(handle, max(size - total, 0) + AT_ONCE):
        parts.append(part)
        if (total := total + len(part)) > most:
            raise BadImage(_too_large(total, most))
    return b"".join(parts)


def _too_large(size: int, most: int) -> str:
    return f"too large: {size / 2**20:,.0f} MB > {most / 2**20:,.0f} (ingest.max_mb)"
