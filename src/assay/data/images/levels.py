"""More than eight bits -> uint8: the eight highest of the bits that the file declares. Pillow does so for colours."""

from __future__ import annotations

import numpy as np
from PIL import Image

from assay.data.images import tiff
from assay.data.images.orientation import Pixels
from assay.errors import BadImage

DIM = 2**12
"""Samples of 16 declared bits all below this are refused: by the declaration the image would be almost black."""


def eight_highest(image: Image.Image) -> Pixels:
    """(h, w) of an image in one of Pillow's modes I and I;16: 0 is black, a transparent grey becomes white."""
    samples, bits = np.asarray(image), _declared_bits(image)
    top = int(samples.max())
    if top >= 2**bits or samples.min() < 0:
        raise BadImage(f"unsupported: samples up to {top}, {bits} bits declared")
    if bits == 16 and 0 < top < DIM and image.format != "PPM":  # a PPM declares its maxval
        raise BadImage(f"unsupported: 16 bits declared, but no sample above {top}")
    shown = (samples >> (bits - 8)).astype(np.uint8)
    if getattr(image, "inverted", False):
        shown = 255 - shown
    if (key := image.info.get("transparency")) is not None:
        shown[samples == key] = 255
    return shown


def check_colours(image: Image.Image, data: bytes) -> None:
    """BadImage for colours of 16 declared bits with all samples below DIM. Pillow keeps only their high bytes."""
    if image.mode not in ("LA", "RGB", "RGBA") or _bits_of_container(image, data) != 16:
        return
    highest = [band.getextrema()[1] for band in image.split()[: 1 if image.mode == "LA" else 3]]
    if max(highest) < DIM >> 8:  # type: ignore[operator]
        raise BadImage(f"unsupported: 16 bits declared, but no sample above {DIM - 1}")


def _bits_of_container(image: Image.Image, data: bytes) -> int:
    if isinstance(image, tiff.Tiff):
        return max(image.tag_v2.get(tiff.BITS, (1,)))  # type: ignore[no-any-return]
    return data[24] if image.format == "PNG" else 8


def _declared_bits(image: Image.Image) -> int:
    """16 but for TIFF: Pillow scales samples of PPM and JPEG 2000 to 16 bits, and PNG has 16 by its specification."""
    return tiff.declared_bits(image) if isinstance(image, tiff.Tiff) else 16
