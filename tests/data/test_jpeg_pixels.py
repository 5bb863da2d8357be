"""JPEG: flat blocks of colour, whose pixels follow from JFIF, T.81 and Adobe's note 5116 without decoding anything."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from assay.data.images.decode import _pixels, decode, decode_resized, inspect
from assay.errors import BadImage

COLOURS = np.array(
    [[[255, 255, 255], [0, 0, 0], [200, 30, 40]], [[20, 180, 60], [30, 40, 210], [128, 128, 128]]]
)
BLOCK = 16
APP14 = b"Adobe"
EXIF = 0x112


def spread(colours):
    """Each colour as a block of 16×16, so that sharing colours between pixels mixes them at the edges only."""
    return np.repeat(np.repeat(colours, BLOCK, axis=0), BLOCK, axis=1).astype(np.uint8)


def jpeg(colours, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(spread(colours), mode).save(file, "JPEG", quality=98, **options)
    return file.getvalue()


def check(data, colours, close=3):
    expected = spread(colours).astype(int)
    info = inspect(data, 10**6)
    assert (info.height, info.width) == expected.shape[:2]
    inside = np.ix_(*([k for k in range(side) if 2 <= k % BLOCK < BLOCK - 2] for side in expected.shape[:2]))
    assert np.abs(decode(data)[inside].astype(int) - expected[inside]).max() <= close
    luma = expected @ [0.299, 0.587, 0.114]
    assert np.abs(decode(data, "gray")[..., 0].astype(int) - luma)[inside].max() <= close
    for color in ("rgb", "gray"):
        resized = decode_resized(data, 12, color).astype(int)
        assert abs(resized.mean() - decode(data, color).mean()) < 6


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_ycbcr(subsampling, progressive):
    check(jpeg(COLOURS, subsampling=subsampling, progressive=progressive), COLOURS)


@pytest.mark.parametrize("progressive", [False, True])
def test_grey(progressive):
    file = io.BytesIO()
    grey = np.array([[0, 90, 255], [30, 128, 200]])
    Image.fromarray(spread(grey)).save(file, "JPEG", quality=98, progressive=progressive)
    check(file.getvalue(), np.repeat(grey[..., None], 3, axis=2))


def test_rgb_without_a_transform():
    for data in (jpeg(COLOURS, keep_rgb=True), jpeg(COLOURS, keep_rgb=True, progressive=True)):
        check(data, COLOURS)


INKS = np.array(
    [[[0, 0, 0, 0], [0, 0, 0, 255], [0, 200, 180, 30]], [[250, 10, 20, 0], [90, 90, 0, 90], [255] * 4]]
)
PAPER = (255 - INKS[..., :3]) * (255 - INKS[..., 3:]) / 255


def stored_as(planes, transform):
    """A JPEG whose four planes are these, with an Adobe marker that says `transform`, or none (None)."""
    data = jpeg(255 - planes, "CMYK")  # Pillow stores 255 − ink
    at = data.index(APP14)
    if transform is None:
        return data[: at - 4] + data[at - 4 + 2 + int.from_bytes(data[at - 2 : at], "big") :]
    return data[: at + 11] + bytes([transform]) + data[at + 12 :]


def test_cmyk_is_stored_inverted_with_and_without_adobes_marker():
    for transform in (0, None):
        check(stored_as(255 - INKS, transform), PAPER.round(), close=4)


def test_ycck():
    """YCbCr of the RGB that is ink as it is stored turned round, and 255 − black (note 5116, section 18)."""
    rgb = INKS[..., :3].astype(float)
    y = rgb @ [0.299, 0.587, 0.114]
    cb, cr = 128 + (rgb[..., 2] - y) / 1.772, 128 + (rgb[..., 0] - y) / 1.402
    planes = np.stack([y, cb, cr, 255 - INKS[..., 3]], axis=2).round().clip(0, 255).astype(int)
    check(stored_as(planes, 2), PAPER.round(), close=5)


@pytest.mark.parametrize(("mode", "orientation"), [*product(["L", "RGB", "CMYK"], range(1, 9))])
def test_orientation(mode, orientation):
    exif = Image.Exif()
    exif[EXIF] = orientation
    colours = {"L": COLOURS[..., 0], "RGB": COLOURS, "CMYK": INKS}[mode]
    shown = {"L": np.repeat(COLOURS[..., :1], 3, axis=2), "RGB": COLOURS, "CMYK": PAPER.round()}[mode]
    turned = {
        1: shown, 2: shown[:, ::-1], 3: shown[::-1, ::-1], 4: shown[::-1],
        5: shown.swapaxes(0, 1), 6: np.rot90(shown, -1), 7: np.rot90(shown, 2).swapaxes(0, 1), 8: np.rot90(shown),
    }  # fmt: skip
    check(jpeg(colours, mode, exif=exif), turned[orientation], close=4)


@pytest.mark.parametrize(
    "data",
    [jpeg(COLOURS), jpeg(COLOURS, keep_rgb=True), jpeg(INKS, "CMYK"), stored_as(255 - INKS, 2)],
    ids=["YCbCr", "RGB", "CMYK", "YCCK"],
)
def test_damage_in_the_middle_is_never_grey_blocks(data):
    """Cut between two bytes of the scan, with the end marker in its place: libjpeg fills up and only warns."""
    scan = data.index(b"\xff\xda")
    middle = (scan + len(data)) // 2
    with pytest.raises(BadImage):
        inspect(data[:middle] + b"\xff\xd9", 10**6)


@pytest.mark.parametrize("frame", [0xC0, 0xC1])
def test_twelve_bits_are_refused(frame):
    data = bytearray(jpeg(COLOURS))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = frame, 12
    for read in (decode, lambda file: inspect(file, 10**6)):
        with pytest.raises(BadImage, match=r"unsupported: .*12"):
            read(bytes(data))


def test_a_phones_second_picture_is_not_looked_at():
    file = io.BytesIO()
    first, second = Image.fromarray(spread(COLOURS)), Image.new("RGB", (48, 32), "red")
    first.save(file, "MPO", save_all=True, append_images=[second], quality=98, subsampling=0)
    check(file.getvalue(), COLOURS)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_the_quick_decoder_gives_the_pixels_of_the_slow_one(subsampling):
    rough = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(rough).save(file, "JPEG", quality=70, subsampling=subsampling)
    slow = Image.open(io.BytesIO(file.getvalue()))
    assert simplejpeg.is_jpeg(file.getvalue())
    assert (decode(file.getvalue()) == _pixels(slow, "rgb")).all()
    luminance = Image.open(io.BytesIO(file.getvalue()))
    luminance.draft("L", luminance.size)
    assert (decode(file.getvalue(), "gray") == _pixels(luminance, "gray")).all()
