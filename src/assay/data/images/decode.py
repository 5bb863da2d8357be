"""Encoded bytes -> properties of the image, and its pixels.

JPEG, PNG, GIF, WebP, BMP, TIFF, PPM/PGM/PBM, JPEG 2000 and AVIF are read. Special cases:

    zero bytes                   refused  "empty file"
    other formats                refused  "not an image"; "unsupported: HEIC" if the format is known
    truncated                    refused  "truncated"
    damaged                      refused  "corrupt: <what the decoder says>"
    several frames or pages      refused  "animated: 12 frames", "multi-page: 3 pages"
    more than max_pixels         refused  "too large: 3000000000 pixels > 100000000": by the header, without decoding
    float, signed, 32-bit        refused  "unsupported: …": the file does not define which value is white
    16 bits, 12 or fewer in use  refused  "unsupported: 16 bits declared, but no sample above 4095"
    12-bit JPEG, camera raw      refused  "unsupported: …", like everything else that the decoder does not support
    pixels beyond the palette    refused  "corrupt: …"
    Exif- or TIFF-rotated        taken    turned upright, as are width, height and boxes; XMP is ignored
    grey where 0 is white        taken    inverted, of any depth: TIFF's photometric interpretation 0
    more than 8 bits             taken    the 8 highest of the declared bits: white is 65535, for 12 bits 4095
    fewer than 8 bits            taken    scaled to 0…255
    CMYK, YCCK                   taken    converted to RGB as ink on white paper; 255 is full ink, in JPEG none
    YCbCr, Lab                   taken    converted to RGB: JFIF's matrix; Lab under D50
    palette, 1-bit               taken    as its colours
    alpha, transparent colour    taken    composited on white; a BMP's alpha that is 0 everywhere is ignored
    additional channels          taken    without these, apart from alpha; several grey channels are refused
    gamma, colour profile        taken    ignored: pixels as stored
    JPEG with a second picture   taken    the first: phones append a preview or a depth map
    JPEG with a few stray bytes  taken    up to 8 before the end, any number after: some cameras write these

The declared bits are those of the container, unless a PGM states its maxval or a TIFF a MaxSampleValue (281) of
2ⁿ − 1. They do not depend on the pixels, so that all images of a camera are scaled alike. Grey is luma (Rec. 601), for
a JPEG its Y. `mode` and `format` are those of Pillow. A refused image raises `BadImage`; no bytes cause another
exception or a warning. All functions are thread-safe, and equal bytes give equal pixels.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import Any, Literal

import numpy as np
import simplejpeg
from PIL import Image

from assay.data.images import orientation
from assay.data.images.levels import check_colours, eight_highest
from assay.data.images.orientation import Pixels
from assay.data.images.placement import GREY, Canvas, Fit, inside
from assay.data.images.png import check_png, mend_colour_key
from assay.data.images.refusal import reason, refusing
from assay.errors import BadImage

Color = Literal["rgb", "gray"]

JPEG = b"\xff\xd8"
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of one channel, of any depth, with or without alpha."""
JPEG_MODES = {"Gray": "L", "YCbCr": "RGB", "RGB": "RGB", "CMYK": "CMYK", "YCCK": "CMYK"}
"""Colour spaces of JPEGs decoded by libjpeg-turbo -> Pillow's mode. It takes a quarter of the time of Pillow, and
reports the warnings of libjpeg; Pillow drops these and returns grey blocks for damaged parts."""
AS_IS = frozenset({"1", "L", "RGB"})
"""Modes that are grey or RGB already."""
SIMPLE = AS_IS | {"P", "LA", "RGBA"}
"""Modes that always convert, unless there is a transparent colour."""
SPACES = {"rgb": "RGB", "gray": "GRAY"}
XMP = ("xmp", "XML:com.adobe.xmp")
HARMLESS = re.compile(r"Corrupt JPEG data: [1-8] extraneous bytes before marker 0xd9")

PLUGINS: tuple[tuple[str, bytes, str], ...] = (
    ("JPEG-LS", rb"\xff\xd8\xff\xf7", ""),
    ("JPEG", rb"\xff\xd8", "PIL.JpegImagePlugin.JpegImageFile"),
    ("PNG", rb"\x89PNG\r\n\x1a\n", "PIL.PngImagePlugin.PngImageFile"),
    ("GIF", rb"GIF8[79]a", "PIL.GifImagePlugin.GifImageFile"),
    ("WEBP", rb"RIFF....WEBP", "PIL.WebPImagePlugin.WebPImageFile"),
    ("BMP", rb"BM", "PIL.BmpImagePlugin.BmpImageFile"),
    ("TIFF", rb"II[*+]\0|MM\0[*+]", "assay.data.images.tiff.Tiff"),
    ("PPM", rb"P[1-6]\s", "PIL.PpmImagePlugin.PpmImageFile"),
    ("JPEG2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", "PIL.Jpeg2KImagePlugin.Jpeg2KImageFile"),
    ("AVIF", rb"....ftypavi[fs]", "PIL.AvifImagePlugin.AvifImageFile"),
    ("HEIC", rb"....ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)", ""),
    ("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL ", ""),
    ("PSD", rb"8BPS", ""),
    ("ICO", rb"\0\0[\1\2]\0[^\0]", ""),
    ("PAM", rb"P7\s", ""),
    ("PFM", rb"P[Ff]\s", ""),
    ("OpenEXR", rb"v/1\x01", ""),
    ("Radiance HDR", rb"#\?RADIANCE", ""),
    ("DDS", rb"DDS ", ""),
    ("DICOM", rb".{128}DICM", ""),
)
"""Name, pattern of the first bytes, class of Pillow or a subclass ("": known, not read). The classes are called
directly, as `Image.open` has its own limit of pixels and opens a phone's JPEG with a second picture as a series."""
KINDS = [(name, re.compile(magic, re.DOTALL), plugin) for name, magic, plugin in PLUGINS]


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Properties of a valid image: upright size in pixels; Pillow's mode and format."""

    width: int
    height: int
    mode: str
    format: str


def sniff(head: bytes) -> str:
    """Name of the format, by the first bytes. BadImage if it is not supported."""
    return _kind(head)[0]


def inspect(data: bytes, max_pixels: int) -> ImageInfo:
    """Properties of an image, which is decoded completely once. BadImage with a reason: see the table above."""
    if (header := _plain_jpeg(data)) is None:
        return _inspect_any(data, max_pixels)
    width, height, mode = header
    _check_size(width, height, max_pixels)
    _jpeg_samples(data, "CMYK" if mode == "CMYK" else "GRAY")  # all bits, without colour transform
    return ImageInfo(*orientation.size_upright(width, height, orientation.of_jpeg(data)), mode, "JPEG")


def decode(data: bytes, color: Color = "rgb") -> Pixels:
    """The upright image as uint8 (height, width, 3 or 1). BadImage if it is none."""
    return _decode(data, color)


def decode_resized(data: bytes, size: int | Canvas, color: Color = "rgb", fit: Fit = "squeeze") -> Pixels:
    """The image on a canvas, uint8 (height, width, 3 or 1), antialiased bilinear; unchanged if it has that size.

    `size`: side of a square canvas, or height and width; `fit`: see `placement`.
    """
    canvas = (size, size) if isinstance(size, int) else size
    pixels = _decode(data, color, at_least=2 * max(canvas))
    if pixels.shape[:2] == canvas:
        return pixels
    left, top, width, height = inside(pixels.shape[1], pixels.shape[0], canvas, fit)
    image = Image.fromarray(pixels if color == "rgb" else pixels[..., 0])
    resized = np.array(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))
    resized = resized.reshape(height, width, pixels.shape[2])
    if (height, width) == canvas:
        return resized
    out = np.full((*canvas, pixels.shape[2]), GREY, np.uint8)
    out[top : top + height, left : left + width] = resized
    return out


def thumbnail(data: bytes, size: int) -> bytes:
    """A JPEG of the upright image, its longer side at most `size` pixels. BadImage if it is none."""
    pixels = _decode(data, "rgb", at_least=2 * size)
    image = Image.fromarray(pixels)
    image.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    small = np.asarray(image)
    grey = np.array_equal(small[..., 0], small[..., 1]) and np.array_equal(small[..., 1], small[..., 2])
    if grey:
        return simplejpeg.encode_jpeg(np.ascontiguousarray(small[..., :1]), 80, "GRAY")  # type: ignore[no-any-return]
    return simplejpeg.encode_jpeg(small, 80, "RGB", "420")  # type: ignore[no-any-return]


def _decode(data: bytes, color: Color, at_least: int = 0) -> Pixels:
    """Upright pixels. A large JPEG may be decoded to a smaller size, with sides of at least `at_least` (0: full)."""
    if (header := _plain_jpeg(data)) is not None:
        return orientation.upright(_jpeg_pixels(data, header[2], color, at_least), orientation.of_jpeg(data))
    with refusing():
        image = _load(data)
        return orientation.upright(_pixels(image, color), _orientation(image))


def _plain_jpeg(data: bytes) -> tuple[int, int, str] | None:
    """Stored width and height, and mode, of a JPEG; None for files left to Pillow, such as odd subsampling."""
    if data[:2] != JPEG:
        return None
    try:
        height, width, space, _subsampling = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return (width, height, JPEG_MODES[space]) if space in JPEG_MODES else None


def _jpeg_pixels(data: bytes, mode: str, color: Color, at_least: int) -> Pixels:
    if mode != "CMYK":
        return _jpeg_samples(data, SPACES[color], at_least)
    return _pixels(Image.fromarray(255 - _jpeg_samples(data, "CMYK", at_least), "CMYK"), color)


def _jpeg_samples(data: bytes, space: str, at_least: int = 0) -> Pixels:
    """Decode a plain JPEG, scaled in the DCT to sides of at least `at_least`. Warnings of libjpeg are refused too."""
    size = {"min_height": at_least, "min_width": at_least}
    try:
        return _uint8(simplejpeg.decode_jpeg(data, colorspace=space, **size))
    except ValueError as error:
        if not HARMLESS.fullmatch(str(error)):  # libjpeg reports the first defect only; this is a last one
            raise BadImage(reason(error)) from None
    except MemoryError:
        raise BadImage("too large: does not fit in memory") from None
    return _uint8(simplejpeg.decode_jpeg(data, colorspace=space, strict=False, **size))


def _uint8(pixels: Any) -> Pixels:
    return pixels  # type: ignore[no-any-return]  # simplejpeg has no types


def _inspect_any(data: bytes, max_pixels: int) -> ImageInfo:
    name, _plugin = _kind(data)
    with refusing():
        if name == "PNG":
            check_png(data)
        image = _load(data, max_pixels)
        mode, turn = image.mode, _orientation(image)
        if mode.startswith("I"):
            _pixels(image, "gray")
        elif mode not in SIMPLE or "transparency" in image.info:
            _pixels(image.crop((0, 0, 1, 1)), "rgb")  # one pixel shows whether the mode converts
    return ImageInfo(*orientation.size_upright(image.width, image.height, turn), mode, name)


def _kind(data: bytes) -> tuple[str, str]:
    """Name of the format and class of its reader, by the first bytes."""
    if not data:
        raise BadImage("empty file")
    found = next(((name, plugin) for name, magic, plugin in KINDS if magic.match(data)), None)
    if found is None:
        raise BadImage("not an image")
    if not found[1]:
        raise BadImage(f"unsupported: {found[0]}")
    return found


def _open(data: bytes) -> Any:
    """Pillow's image, with only the header read."""
    name, plugin = _kind(data)
    module, cls = plugin.rsplit(".", 1)
    try:
        read = getattr(import_module(module), cls)
    except ImportError:
        raise BadImage(f"unsupported: {name} by this Pillow") from None
    return read(io.BytesIO(data))


def _load(data: bytes, max_pixels: float = inf) -> Image.Image:
    """Pillow's image with its pixels, checked. May raise any exception of Pillow: call it within `refusing`."""
    image: Image.Image = _open(data)
    for xmp in XMP:  # only Exif defines the orientation, as in `orientation.of_jpeg`
        image.info.pop(xmp, None)
    if image.format == "PNG":
        mend_colour_key(image, data)
    _check_size(image.width, image.height, max_pixels)
    if (frames := getattr(image, "n_frames", 1)) > 1:
        pages = image.format == "TIFF"
        raise BadImage(f"multi-page: {frames} pages" if pages else f"animated: {frames} frames")
    colours = _colours(image)
    image.load()
    if image.mode == "P" and colours < 256 and np.asarray(image).max() >= colours:
        raise BadImage(f"corrupt: pixels beyond the {colours} colours of the palette")
    if image.format == "BMP" and image.mode == "RGBA" and not np.asarray(image)[..., 3].any():
        return image.convert("RGB")  # an unused alpha, ignored as in browsers
    check_colours(image, data)
    return image


def _colours(image: Image.Image) -> int:
    """Number of colours in the palette of an image not loaded yet (Pillow then pads it with black); 0 without one."""
    if image.palette is None:
        return 0
    return len(image.palette.palette) // (4 if "X" in str(image.palette.rawmode) else 3)


def _check_size(width: int, height: int, max_pixels: float) -> None:
    if width * height > max_pixels:
        raise BadImage(f"too large: {width * height} pixels > {max_pixels}")
    if not width * height:
        raise BadImage("corrupt: no pixels")


def _orientation(image: Image.Image) -> int:
    """The Exif orientation that is still to be undone (Pillow turns TIFFs itself). Invalid Exif is ignored."""
    try:
        return orientation.checked(image.getexif().get(orientation.TAG))
    except Exception:
        return orientation.UPRIGHT


def _pixels(image: Image.Image, color: Color) -> Pixels:
    """Any of Pillow's modes -> uint8 (h, w, 3 or 1). Colours become grey as luma."""
    if image.mode.startswith("I"):
        image = Image.fromarray(eight_highest(image))
    elif image.mode == "F":
        raise BadImage("unsupported: floating-point pixels")
    elif image.has_transparency_data:
        image = _over_white(image)
    elif image.mode not in AS_IS:
        image = image.convert("RGB")  # Lab converts to nothing else
    pixels = np.array(image.convert("RGB" if color == "rgb" else "L"))
    return pixels.reshape(*pixels.shape[:2], -1)


def _over_white(image: Image.Image) -> Image.Image:
    straight = image.convert("LA") if image.mode == "La" else image  # La converts only to LA
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), straight.convert("RGBA")).convert(
        "RGB"
    )
