"""Images as browsers show them."""

from __future__ import annotations

import io
from collections.abc import Container, Mapping

import numpy as np
from PIL import Image

from assay.data.images.decode import decode, sniff

SHOWN: Mapping[str, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
"""{format that browsers show: its media type}."""


def for_browser(data: bytes, taken: Container[str] = SHOWN.values()) -> tuple[bytes, str]:
    """The bytes to send for an image, with their media type: as they are, or as PNG. BadImage if it is none.

    `taken`: media types that the receiver takes.
    """
    kind = SHOWN.get(sniff(data))
    if kind is not None and kind in taken:
        return data, kind
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(decode(data))).save(stream, "PNG", compress_level=1)
    return stream.getvalue(), "image/png"
