"""PNG by the specification: files written here chunk by chunk, the pixels that they mean worked out here."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from assay.data.images.decode import decode, inspect
from assay.errors import BadImage
from tests.data.pixels import check, eight, over_white

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
KINDS = [(GREY, b) for b in (1, 2, 4, 8, 16)] + [(PALETTE, b) for b in (1, 2, 4, 8)]
KINDS += [(kind, b) for kind in (RGB, GREY_ALPHA, RGB_ALPHA) for b in (8, 16)]
RNG = np.random.default_rng(16)


def samples(kind, bits, size=(5, 7)):
    """Any values of so many bits (h, w, channels), the least and the greatest among them, and two that are equal."""
    values = RNG.integers(0, 2**bits, (*size, CHANNELS[kind]))
    values[0, 0], values[-1, -1] = 0, 2**bits - 1
    values[2, 2:4] = values[2, 2]
    return values


def png(values, kind, bits, *chunks, interlaced=False):
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    passes = [values[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [values]
    rows = b"".join(b"\0" + _packed(row, bits) for part in passes if part.size for row in part)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def _packed(row, bits):
    if bits >= 8:
        return row.astype(f">u{bits // 8}").tobytes()
    return np.packbits((row[..., None] >> np.arange(bits)[::-1] & 1).astype(np.uint8).ravel()).tobytes()


def meaning(values, kind, bits, colours=None):
    """RGB (h, w, 3), over white."""
    if kind == PALETTE:
        return colours[values[..., 0]]
    shown = eight(values, bits).astype(float)
    colour = shown[..., :3] if CHANNELS[kind] >= 3 else np.repeat(shown[..., :1], 3, axis=2)
    if CHANNELS[kind] in (1, 3):
        return colour
    return over_white(colour, shown[..., -1:])


def palette(bits):
    return RNG.integers(0, 256, (2**bits, 3))


def chunk_of(colours):
    return b"PLTE", colours.astype(np.uint8).tobytes()


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_every_kind(kind, bits, interlaced):
    values, colours = samples(kind, bits), palette(bits) if kind == PALETTE else None
    chunks = [chunk_of(colours)] if kind == PALETTE else []
    data = png(values, kind, bits, *chunks, interlaced=interlaced)
    check(data, meaning(values, kind, bits, colours), close=1 if kind in (GREY_ALPHA, RGB_ALPHA) else 0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey(bits):
    values = samples(GREY, bits)
    key = int(values[2, 2, 0])
    expected = np.where(values == key, 255, meaning(values, GREY, bits))
    check(png(values, GREY, bits, (b"tRNS", struct.pack(">H", key))), expected)


def test_a_transparent_colour():
    values = samples(RGB, 8)
    key = values[2, 2]
    values[0, 1] = [*key[:2], key[2] ^ 1]
    expected = np.where((values == key).all(axis=2, keepdims=True), 255, values)
    check(png(values, RGB, 8, (b"tRNS", struct.pack(">3H", *key))), expected)


def test_a_transparent_colour_of_16_bits_is_refused():
    data = png(samples(RGB, 16), RGB, 16, (b"tRNS", bytes(6)))
    for read in (decode, lambda file: inspect(file, 10**6)):
        with pytest.raises(BadImage, match="unsupported: a transparent colour of 16 bits"):
            read(data)


@pytest.mark.parametrize("alphas", [[0], [255, 0], [0, 128, 255], list(range(16))])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_palette_with_alphas_for_its_first_colours(bits, alphas):
    values, colours = samples(PALETTE, bits), palette(bits)
    values[1] = np.arange(7)[:, None]
    alpha = np.full((2**bits, 1), 255.0)
    alpha[: len(alphas), 0] = alphas
    expected = over_white(colours, alpha)[values[..., 0]]
    check(png(values, PALETTE, bits, chunk_of(colours), (b"tRNS", bytes(alphas))), expected, close=1)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"gAMA", struct.pack(">I", 100000)),
        (b"sBIT", b"\5\6\5"),
        (b"sRGB", b"\0"),
        (b"bKGD", bytes(6)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        (b"iCCP", b"any\0\0" + zlib.compress(b"no profile at all")),
    ],
)
def test_what_is_said_about_colour_and_background_changes_no_pixel(chunk):
    values = samples(RGB, 8)
    check(png(values, RGB, 8, chunk), values)


@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_twelve_bits_undeclared_are_refused(kind):
    data = png(samples(kind, 12), kind, 16)
    with pytest.raises(BadImage, match="unsupported: 16 bits declared, but no sample above 4095"):
        inspect(data, 10**6)


def test_exif_says_which_way_up_and_xmp_does_not():
    values = samples(RGB, 8)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    check(png(values, RGB, 8, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)), values)
    exif = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    check(png(values, RGB, 8, (b"eXIf", exif)), np.rot90(values, -1))


def test_a_palette_that_is_not_there_or_too_short_is_refused():
    values = samples(PALETTE, 8)
    for chunks in ([], [chunk_of(palette(4))]):
        with pytest.raises(BadImage):
            inspect(png(values, PALETTE, 8, *chunks), 10**6)
