"""TIFF by the specification (TIFF 6.0): files written here tag by tag, the pixels that they mean worked out here."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import product

import numpy as np
import pytest
from PIL import Image

from assay.data.images.decode import decode, inspect
from assay.errors import BadImage
from tests.data.pixels import check, eight, grey, over_white

SHORT, LONG = 3, 4
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
NONE, LZW, DEFLATE = 1, 5, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
RNG = np.random.default_rng(12)


def samples(bits, channels=1, size=(5, 7)):
    """Any values of so many bits, the least and the greatest among them: (h, w, channels)."""
    values = RNG.integers(0, 2**bits, (*size, channels))
    values[0, 0], values[-1, -1], values[0, -1] = 0, 2**bits - 1, 2**bits - 1
    return values


def tiff(values, photometric, bits, *, order="<", compression=NONE, planar=1, tile=None, pages=1, **tags):
    """A TIFF of values (h, w, channels): `tags` by their number as t<number>, each a tuple of SHORTs."""
    height, width, channels = values.shape
    planes = [values] if planar == 1 else [values[..., k : k + 1] for k in range(channels)]
    blocks = [_packed(b, bits, order, compression) for plane in planes for b in _blocks(plane, tile)]
    body, offsets = b"", []
    for block in blocks:
        offsets.append(8 + len(body))
        body += block + b"\0" * (len(block) % 2)
    counts = [len(block) for block in blocks]
    where = {322: [tile], 323: [tile], 324: offsets, 325: counts} if tile else {273: offsets, 279: counts}
    directory = {
        256: [width],
        257: [height],
        258: [bits] * channels,
        259: [compression],
        262: [photometric],
        277: [channels],
        278: [height],
        284: [planar],
        **where,
        **{int(name[1:]): list(value) for name, value in tags.items()},
    }
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    at = 8 + len(body)
    written = mark + struct.pack(f"{order}I", at) + body
    for page in range(pages):
        written += _directory(directory, len(written), order, last=page == pages - 1)
    return written


def _directory(directory, at, order, last):
    entries, more = b"", b""
    behind = at + 6 + 12 * len(directory)
    for tag, numbers in sorted(directory.items()):
        kind, code = (LONG, "I") if tag in {273, 279, 324, 325} else (SHORT, "H")
        packed = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        if len(packed) > 4:
            packed, more = (
                struct.pack(f"{order}I", behind + len(more)),
                more + packed + b"\0" * (len(packed) % 2),
            )
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    following = 0 if last else behind + len(more)
    return struct.pack(f"{order}H", len(directory)) + entries + struct.pack(f"{order}I", following) + more


def _blocks(plane, tile):
    if tile is None:
        return [plane]
    h, w = plane.shape[:2]
    padded = np.pad(plane, ((0, -h % tile), (0, -w % tile), (0, 0)))
    corners = product(range(0, padded.shape[0], tile), range(0, padded.shape[1], tile))
    return [padded[y : y + tile, x : x + tile] for y, x in corners]


def _packed(block, bits, order, compression):
    if bits in (8, 16, 32):
        code = "f" if block.dtype.kind == "f" else "i" if block.min() < 0 else "u"
        raw = block.astype(f"{order}{code}{bits // 8}").tobytes()
    else:  # rows of bits, the highest first, each padded to whole bytes
        each = (block[..., None] >> np.arange(bits)[::-1] & 1).reshape(len(block), -1)
        raw = np.packbits(each.astype(np.uint8), axis=1).tobytes()
    return {NONE: bytes, DEFLATE: zlib.compress, LZW: _lzw}[compression](raw)


def _lzw(raw):
    """LZW without matches: nine bits a byte, and a new table before they become ten (TIFF 6.0, section 13)."""
    codes = [c for k in range(0, len(raw), 200) for c in (256, *raw[k : k + 200])] + [257]
    bits = [code >> k & 1 for code in codes for k in range(8, -1, -1)]
    return np.packbits(bits).tobytes()


def grey8(values, bits):
    return grey(eight(values, bits))


def refused(data, why):
    with pytest.raises(BadImage, match=why):
        inspect(data, 10**6)
    with pytest.raises(BadImage, match=why):
        decode(data)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE])
@pytest.mark.parametrize("photometric", [MIN_IS_WHITE, MIN_IS_BLACK])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_grey(bits, photometric, compression, order):
    values = samples(bits)
    data = tiff(values, photometric, bits, order=order, compression=compression)
    if (bits, order) == (12, ">"):
        return refused(data, "unsupported: TIFF of photometric 1")
    meant = values if photometric == MIN_IS_BLACK else 2**bits - 1 - values
    check(data, grey8(meant, bits))
    return None


@pytest.mark.parametrize("photometric", [MIN_IS_WHITE, MIN_IS_BLACK])
@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation, bits, photometric):
    values = samples(bits)
    meant = grey8(values if photometric == MIN_IS_BLACK else 2**bits - 1 - values, bits)
    turned = {
        1: meant, 2: meant[:, ::-1], 3: meant[::-1, ::-1], 4: meant[::-1],
        5: meant.swapaxes(0, 1), 6: np.rot90(meant, -1), 7: np.rot90(meant, 2).swapaxes(0, 1), 8: np.rot90(meant),
    }  # fmt: skip
    check(tiff(values, photometric, bits, t274=(orientation,)), turned[orientation])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("compression", [NONE, DEFLATE])
@pytest.mark.parametrize(
    ("bits", "photometric", "channels"), [(8, RGB, 3), (16, RGB, 3), (16, MIN_IS_WHITE, 1)]
)
def test_planes_and_tiles(bits, photometric, channels, compression, tile, planar, order):
    values = samples(bits, channels, (19, 37))
    data = tiff(values, photometric, bits, order=order, planar=planar, tile=tile, compression=compression)
    meant = values >> (bits - 8)
    expected = meant if channels == 3 else np.repeat(255 - meant, 3, axis=2)
    check(data, expected)


def test_the_horizontal_predictor():
    for bits in (8, 16):
        values = samples(bits, 3)
        differences = np.diff(values, axis=1, prepend=0) % 2**bits
        check(tiff(differences, RGB, bits, compression=DEFLATE, t317=(2,)), values >> (bits - 8))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette(bits):
    values, colours = samples(bits), samples(16, 3, (2**bits, 1))[:, 0]
    data = tiff(values, PALETTE, bits, t320=colours.T.ravel())
    check(data, (colours >> 8)[values[..., 0]])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [1, 2])
def test_alpha_is_laid_over_white(bits, planar):
    values = samples(bits, 4)
    shown = values >> (bits - 8)
    colour, alpha = shown[..., :3], shown[..., 3:]
    unassociated = tiff(values, RGB, bits, t338=(2,), planar=planar)
    check(unassociated, over_white(colour, alpha), close=1)
    check(tiff(values, RGB, bits, t338=(0,), planar=planar), colour)
    premultiplied = np.concatenate([values[..., :3] * (values[..., 3:] / (2**bits - 1)), values[..., 3:]], 2)
    data = tiff(premultiplied.round().astype(int), RGB, bits, t338=(1,), planar=planar)
    check(data, over_white(colour, alpha), close=3)


def test_grey_with_alpha():
    values = samples(8, 2)
    shade, alpha = (grey(values[..., k : k + 1]) for k in (0, 1))
    check(tiff(values, MIN_IS_BLACK, 8, t338=(2,)), over_white(shade, alpha), close=1)
    refused(tiff(values, MIN_IS_BLACK, 8, t338=(0,)), "unsupported: several grey channels")
    multiplied = np.stack([values[..., 0] * values[..., 1] // 255, values[..., 1]], axis=2)
    check(tiff(multiplied, MIN_IS_BLACK, 8, t338=(1,)), over_white(shade, alpha), close=2)


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_is_ink_on_white_paper(bits):
    values = samples(bits, 4)
    ink = values >> (bits - 8)
    check(tiff(values, CMYK, bits, t332=(1,)), (255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255, close=1)


def test_ycbcr():
    values = samples(8, 3)
    y, cb, cr = (values[..., k].astype(float) - 128 * (k > 0) for k in range(3))
    y, cb, cr = 128 + (y - 128) / 4, cb / 4, cr / 4
    values = np.stack([y, cb + 128, cr + 128], axis=2).round().astype(int)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=2)
    check(tiff(values, YCBCR, 8, t530=(1, 1)), rgb.clip(0, 255), close=2)


def test_subsampled_ycbcr():
    """2×2 pixels share a colour: Y Y Y Y Cb Cr each (TIFF 6.0, section 21)."""
    blocks = np.array([[[60, 128, 128], [90, 140, 120]], [[128, 100, 150], [200, 120, 130]]])
    flat = np.repeat(np.repeat(blocks, 2, axis=0), 2, axis=1)
    stored = np.array([[*[y] * 4, cb, cr] for y, cb, cr in blocks.reshape(-1, 3)])
    whole = tiff(flat, YCBCR, 8, t530=(2, 2))
    data = whole[:8] + stored.astype(np.uint8).tobytes() + whole[8 + stored.size :]
    y, cb, cr = (flat[..., k] - 128.0 * (k > 0) for k in range(3))
    check(
        data, np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=2), close=2
    )


@pytest.mark.parametrize("photometric", [MIN_IS_WHITE, MIN_IS_BLACK])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_a_16_bit_container_where_the_file_declares_them(bits, photometric):
    values = samples(bits)
    shown = grey8(values, bits)
    expected = shown if photometric == MIN_IS_BLACK else 255 - shown
    check(tiff(values, photometric, 16, t281=(2**bits - 1,)), expected)
    refused(
        tiff(values, photometric, 16, t281=(511,)),
        f"unsupported: samples up to {2**bits - 1}, 9 bits declared",
    )


def test_fewer_bits_undeclared_are_never_near_black():
    refused(tiff(samples(12), MIN_IS_BLACK, 16), "unsupported: 16 bits declared, but no sample above 4095")
    check(tiff(0 * samples(12), MIN_IS_BLACK, 16), np.zeros((5, 7, 3)))
    values = samples(16)
    check(tiff(values, MIN_IS_BLACK, 16, t281=(int(values.max()),)), grey8(values, 16))


@pytest.mark.parametrize(("planar", "channels", "extra"), [(1, 3, ()), (2, 3, ()), (1, 4, (2,))])
def test_colours_of_fewer_bits_are_never_near_black(planar, channels, extra):
    values = samples(12, channels)
    extras = {"t338": extra} if extra else {}
    refused(
        tiff(values, RGB, 16, planar=planar, **extras),
        "unsupported: 16 bits declared, but no sample above 4095",
    )
    whites = (4095,) * channels
    refused(tiff(values, RGB, 16, planar=planar, t281=whites, **extras), "unsupported: colours of 12 bits")


def test_a_colour_map_of_8_bits_is_not_black():
    values, colours = samples(4), samples(8, 3, (16, 1))[:, 0]
    check(tiff(values, PALETTE, 4, t320=colours.T.ravel()), colours[values[..., 0]])


@pytest.mark.parametrize("compression", ["group3", "group4", "packbits", "tiff_lzw"])
def test_a_page_of_a_fax(compression):
    values = samples(1, size=(16, 24))
    file = io.BytesIO()
    Image.fromarray(values[..., 0] == 1).save(file, "TIFF", compression=compression)
    check(file.getvalue(), grey8(values, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_inside(mode):
    colour = {"L": 90, "RGB": (200, 90, 30), "CMYK": (10, 60, 200, 40)}[mode]
    file = io.BytesIO()
    Image.new(mode, (32, 16), colour).save(file, "TIFF", compression="jpeg", quality=95)
    shown = Image.new(mode, (1, 1), colour).convert("RGB").getpixel((0, 0))
    check(file.getvalue(), np.broadcast_to(np.array(shown), (16, 32, 3)), close=3)


def lab_to_srgb(lightness, a, b):
    """CIE L*a*b* under D50 -> sRGB by Bradford, in floating point."""
    fy = (lightness + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], axis=2)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9642, 1, 0.8249]
    to_rgb = np.array(
        [
            [3.1338561, -1.6168667, -0.4906146],
            [-0.9787684, 1.9161415, 0.0334540],
            [0.0719453, -0.2289914, 1.4052427],
        ]
    )
    linear = (xyz @ to_rgb.T).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_lab():
    lightness, a, b = np.meshgrid([20, 128, 200, 255], [-30, 0, 25], [-25, 0, 30])
    signed = np.stack([x.reshape(6, 6) for x in (lightness, a, b)], axis=2)
    expected = lab_to_srgb(signed[..., 0] / 2.55, signed[..., 1], signed[..., 2])
    check(tiff(signed % 256, LAB, 8), expected, close=4)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (tiff(samples(8), MIN_IS_BLACK, 8, t339=(SIGNED,)), "unsupported: signed pixels"),
        (tiff(samples(15), MIN_IS_BLACK, 16, t339=(SIGNED,)), "unsupported: signed pixels"),
        (tiff(samples(15), MIN_IS_BLACK, 32), "unsupported: 32-bit pixels"),
        (tiff(samples(15), MIN_IS_BLACK, 32, t339=(SIGNED,)), "unsupported: signed pixels"),
        (tiff(samples(8) / 255, MIN_IS_BLACK, 32, t339=(FLOAT,)), "unsupported: floating-point pixels"),
        (tiff(samples(8) / 255, MIN_IS_WHITE, 32, t339=(FLOAT,)), "unsupported: floating-point pixels"),
        (tiff(samples(10), MIN_IS_BLACK, 10), "unsupported: TIFF of photometric"),
        (tiff(samples(8, 3), 9, 8), "unsupported: TIFF of photometric"),
        (tiff(samples(12), 32803, 16), "unsupported: camera raw"),
        (tiff(samples(8, 3), RGB, 8, pages=2), "multi-page: 2 pages"),
        (tiff(samples(8, 3), RGB, 8, t254=(1,)), "unsupported: a preview"),
        (tiff(samples(8), PALETTE, 8, t320=[0] * 767), "corrupt: colour map"),
        (tiff(samples(8, 3), MIN_IS_BLACK, 8, t338=(0, 0), planar=2), "unsupported: several grey channels"),
        (tiff(samples(8), MIN_IS_BLACK, 8, t259=(34712,)), "unsupported: TIFF compression 34712"),
        (tiff(samples(8, 4), CMYK, 8, t332=(2,)), "unsupported: inks other than CMYK"),
        (tiff(samples(8), MIN_IS_BLACK, 8).replace(b"\x06\x01\3\0", b"\x08\x01\3\0"), "no photometric"),
    ],
)  # fmt: skip
def test_what_has_no_certain_pixels_is_refused(data, why):
    refused(data, why)
