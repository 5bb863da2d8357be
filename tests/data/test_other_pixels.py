"""BMP and PNM by their specifications, written here; GIF, WebP, AVIF and JPEG 2000 by Pillow's encoders, lossless."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from assay.data.images.decode import inspect
from assay.errors import BadImage
from tests.data.pixels import check, grey, over_white

RNG = np.random.default_rng(24)
COLOUR = RNG.integers(0, 256, (5, 7, 3))
ALPHA = RNG.integers(0, 256, (5, 7, 1))


def bmp(rows, bits, *, compression=0, masks=(), table=b"", top_down=False, version=40):
    """Windows BMP of rows of packed pixels, topmost first."""
    padded = [row + b"\0" * (-len(row) % 4) for row in rows]
    pixels = b"".join(padded if top_down else padded[::-1])
    height = -len(rows) if top_down else len(rows)
    head = struct.pack("<IiiHHIIiiII", version, 7, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    packed = struct.pack(f"<{len(masks)}I", *masks)
    head = (head + packed).ljust(version, b"\0") if version > 40 else head + packed
    start = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + table + pixels


def rows_of(words, code):
    return [row.astype(code).tobytes() for row in words]


@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_of_24_and_32_bits(top_down):
    bgr = COLOUR[..., ::-1]
    check(bmp(rows_of(bgr, "u1"), 24, top_down=top_down), COLOUR)
    # the fourth byte is reserved unless a mask says that it is alpha
    check(bmp(rows_of(np.concatenate([bgr, ALPHA], axis=2), "u1"), 32, top_down=top_down), COLOUR)


def test_bmp_with_alpha():
    words = COLOUR @ [1 << 16, 1 << 8, 1] + (ALPHA[..., 0] << 24)
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    check(
        bmp(rows_of(words, "<u4"), 32, compression=3, masks=masks, version=108), over_white(COLOUR, ALPHA), 1
    )


def test_bmp_whose_alpha_nobody_filled_in():
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    check(
        bmp(rows_of(COLOUR @ [1 << 16, 1 << 8, 1], "<u4"), 32, compression=3, masks=masks, version=108),
        COLOUR,
    )


@pytest.mark.parametrize(
    ("masks", "shifts", "widths"),
    [((), (10, 5, 0), (5, 5, 5)), ((0xF800, 0x7E0, 0x1F), (11, 5, 0), (5, 6, 5))],
)
def test_bmp_of_16_bits(masks, shifts, widths):
    parts = [COLOUR[..., k] >> (8 - widths[k]) for k in range(3)]
    words = sum(part << shift for part, shift in zip(parts, shifts, strict=True))
    shown = np.stack([p * 255 / (2**w - 1) for p, w in zip(parts, widths, strict=True)], axis=2)
    check(bmp(rows_of(words, "<u2"), 16, compression=3 if masks else 0, masks=masks), shown, close=1)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmp_with_a_palette(bits):
    values, colours = RNG.integers(0, 2**bits, (5, 7)), RNG.integers(0, 256, (2**bits, 3))
    table = np.concatenate([colours[:, ::-1], 0 * colours[:, :1]], axis=1).astype("u1").tobytes()
    each = values[..., None] >> np.arange(bits)[::-1] & 1
    rows = [np.packbits(row.astype(np.uint8).ravel()).tobytes() for row in each]
    check(bmp(rows, bits, table=table), colours[values])


@pytest.mark.parametrize("maxval", [255, 100, 1023, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_pgm_is_scaled_by_the_white_that_it_states(maxval, plain):
    values = RNG.integers(0, maxval + 1, (5, 7, 1))
    values[0, 0] = maxval
    body = " ".join(map(str, values.ravel())).encode()
    if not plain:
        body = values.astype("u1" if maxval < 256 else ">u2").tobytes()
    check(b"P%d 7 5 %d\n" % (2 if plain else 5, maxval) + body, grey(values * 255 / maxval), close=1)


@pytest.mark.parametrize("maxval", [255, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_ppm(maxval, plain):
    values = RNG.integers(0, maxval + 1, (5, 7, 3))
    body = " ".join(map(str, values.ravel())).encode()
    if not plain:
        body = values.astype("u1" if maxval < 256 else ">u2").tobytes()
    check(b"P%d 7 5 %d\n" % (3 if plain else 6, maxval) + body, values * 255 / maxval, close=1)


def test_a_dark_pgm_of_4095_is_dark():
    values = np.full((5, 7, 1), 100)
    check(b"P5 7 5 4095\n" + values.astype(">u2").tobytes(), grey(values * 255 / 4095), close=1)


def test_pbm_has_black_ones():
    values = RNG.integers(0, 2, (5, 7, 1))
    check(
        b"P4 7 5\n" + np.packbits(values[..., 0].astype(np.uint8), axis=1).tobytes(), grey(255 * (1 - values))
    )


def written(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


LOSSLESS = {
    "WEBP": {"lossless": True, "exact": True},
    "JPEG2000": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "PNG": {},
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_colour_and_alpha(kind):
    close = 3 if kind == "AVIF" else 1  # through YCbCr
    check(written(Image.fromarray(COLOUR.astype(np.uint8)), kind, **LOSSLESS[kind]), COLOUR, close)
    both = Image.fromarray(np.concatenate([COLOUR, ALPHA], axis=2).astype(np.uint8))
    check(written(both, kind, **LOSSLESS[kind]), over_white(COLOUR, ALPHA), close)


def test_jpeg_2000_of_16_bits():
    values = RNG.integers(0, 65536, (32, 40)).astype(np.uint16)
    check(written(Image.fromarray(values), "JPEG2000"), grey(values[..., None] >> 8))


def test_gif_with_a_transparent_colour():
    values, colours = RNG.integers(0, 4, (5, 7)), RNG.integers(0, 256, (4, 3))
    image = Image.fromarray(values.astype(np.uint8)).convert("L")
    indexed = Image.frombytes("P", image.size, image.tobytes())
    indexed.putpalette(colours.astype(np.uint8).tobytes())
    check(written(indexed, "GIF"), colours[values])
    shown = colours[values]
    shown[values == 2] = 255
    check(written(indexed, "GIF", transparency=2, optimize=False), shown)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\1\0\1\0\x10\x10", "ICO"),
        (b"P7\nWIDTH 3", "PAM"),
        (b"Pf\n3 2\n-1.0\n", "PFM"),
        (b"v/1\1\2\0\0\0", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    ],
)
def test_known_kinds_that_are_not_read_are_named(start, kind):
    with pytest.raises(BadImage, match=f"unsupported: {kind}"):
        inspect(start + bytes(100), 10**6)
