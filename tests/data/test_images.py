import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from assay.data.images.decode import ImageInfo, decode, decode_resized, inspect
from assay.data.images.png import encode_png
from assay.errors import BadImage

LIMIT = 200_000
ROTATED = 6  # the camera was turned: 90° clockwise to be upright


def picture(mode="RGB", size=(37, 23)):
    """Smooth, with a bright top left corner; deterministic."""
    x, y = np.meshgrid(np.linspace(255, 20, size[0]), np.linspace(1, 0.3, size[1]))
    pixels = np.stack([x * y, x * 0.5, 255 - y * 200], axis=2).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(kind, mode="RGB", image=None, size=(37, 23), **options):
    file = io.BytesIO()
    (image or picture(mode, size)).save(file, kind, **options)
    return file.getvalue()


def rotated():
    exif = Image.Exif()
    exif[0x112] = ROTATED
    return exif


def deep():
    return Image.fromarray(np.array([[0, 255, 256], [32768, 65534, 65535]], np.uint16))


SOUND = {
    "jpeg": (encoded("JPEG"), "RGB", "JPEG"),
    "jpeg, grey": (encoded("JPEG", "L"), "L", "JPEG"),
    "jpeg, progressive": (encoded("JPEG", progressive=True), "RGB", "JPEG"),
    "jpeg, cmyk": (encoded("JPEG", "CMYK"), "CMYK", "JPEG"),
    "jpeg with a second picture": (encoded("MPO", save_all=True, append_images=[picture()]), "RGB", "JPEG"),
    "png": (encoded("PNG"), "RGB", "PNG"),
    "png, palette": (encoded("PNG", "P"), "P", "PNG"),
    "png, alpha": (encoded("PNG", "RGBA"), "RGBA", "PNG"),
    "png, grey with alpha": (encoded("PNG", "LA"), "LA", "PNG"),
    "png, 1 bit": (encoded("PNG", "1"), "1", "PNG"),
    "gif": (encoded("GIF"), "P", "GIF"),
    "webp": (encoded("WEBP", lossless=True), "RGB", "WEBP"),
    "bmp": (encoded("BMP"), "RGB", "BMP"),
    "tiff": (encoded("TIFF"), "RGB", "TIFF"),
    "tiff, cmyk": (encoded("TIFF", "CMYK"), "CMYK", "TIFF"),
    "tiff, deflated": (encoded("TIFF", compression="tiff_adobe_deflate"), "RGB", "TIFF"),
    "ppm": (encoded("PPM"), "RGB", "PPM"),
    "jpeg 2000": (encoded("JPEG2000"), "RGB", "JPEG2000"),
    "avif": (encoded("AVIF"), "RGB", "AVIF"),
}
ODD = {
    "exif": encoded("JPEG", exif=rotated()),
    "16 bit": encoded("PNG", image=deep()),
    "gif": encoded("GIF", save_all=True, append_images=[picture().rotate(90)]),
    "png": encoded("PNG", save_all=True, append_images=[picture().rotate(90)]),
    "webp": encoded("WEBP", save_all=True, append_images=[picture().rotate(90)]),
    "tiff": encoded("TIFF", save_all=True, append_images=[picture().rotate(90)]),
}
CORPUS = [data for data, *_ in SOUND.values()] + list(ODD.values())


def reason(data, limit=LIMIT):
    with pytest.raises(BadImage) as caught:
        inspect(data, limit)
    return str(caught.value)


@pytest.mark.parametrize("name", SOUND)
def test_sound_images_are_taken_as_they_are(name):
    data, mode, kind = SOUND[name]
    assert inspect(data, LIMIT) == ImageInfo(37, 23, mode, kind)
    assert decode(data).shape == (23, 37, 3)
    assert decode(data, "gray").shape == (23, 37, 1)


@pytest.mark.parametrize("name", [n for n in SOUND if "cmyk" not in n and n not in {"png, 1 bit"}])
def test_pixels_are_the_pictures(name):
    original = np.asarray(picture()).astype(int)
    found = decode(SOUND[name][0]).astype(int)
    if found.std(axis=2).max() == 0:  # the grey ones
        original = np.asarray(picture("L")).astype(int)[..., None]
    assert np.abs(found - original).mean() < 20  # a palette of 216 colours, dithered, is that far off


def test_cmyk_is_not_inverted():
    for name in ("jpeg, cmyk", "tiff, cmyk"):
        assert np.abs(decode(SOUND[name][0]).astype(int) - np.asarray(picture())).mean() < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(kind, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = encoded(kind, exif=exif, **options)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    upright = picture().transpose(turns[orientation]) if orientation > 1 else picture()
    info = inspect(data, LIMIT)
    assert (info.width, info.height) == upright.size
    assert np.abs(decode(data).astype(int) - np.asarray(upright)).mean() < 8


def test_broken_exif_is_no_exif():
    data = ODD["exif"]
    at = data.index(b"MM\0*") if b"MM\0*" in data else data.index(b"II*\0")
    for junk in (b"XX\0\0", data[at : at + 4] + b"\xff\xff\xff\xff"):
        broken = data[:at] + junk + data[at + len(junk) :]
        assert inspect(broken, LIMIT).width == 37


def test_16_bits_are_scaled_not_clipped():
    data = ODD["16 bit"]
    assert inspect(data, LIMIT).mode == "I;16"
    assert decode(data, "gray")[..., 0].tolist() == [[0, 0, 1], [128, 255, 255]]
    assert decode(data).shape == (2, 3, 3)


def test_transparency_is_laid_over_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert decode(encoded("PNG", image=clear)).min() == 255
    palette = Image.new("P", (4, 4), 0)
    assert decode(encoded("PNG", image=palette, transparency=0)).min() == 255


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty file"),
        (b"just some words", "not an image"),
        (b"%PDF-1.7 ...", "not an image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "not an image"),
        (b"<?xml version='1.0'?><!-- ... --><svg/>", "not an image"),
        (b"<!doctype html><script>alert(1)</script>", "not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "unsupported: HEIC"),
        (ODD["gif"], "animated: 2 frames"),
        (ODD["png"], "animated: 2 frames"),
        (ODD["webp"], "animated: 2 frames"),
        (ODD["tiff"], "multi-page: 2 pages"),
        (encoded("TIFF", "F"), "unsupported: floating-point pixels"),
        (encoded("TIFF", image=Image.new("I", (3, 3), 70000)), "unsupported: signed pixels"),
        (encoded("JPEG")[:-20], "truncated"),
        (encoded("JPEG")[:100], "truncated"),
        (encoded("PNG")[:-20], "truncated"),
        (encoded("JPEG", "CMYK")[:-200], "truncated"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(data, expected):
    assert reason(data) == expected


@pytest.mark.parametrize("name", ["jpeg", "jpeg, grey", "jpeg, progressive", "png", "png, palette"])
def test_every_cut_is_found(name):
    data = SOUND[name][0]
    assert {reason(data[:n]).split(":")[0] for n in range(2, len(data))} <= {
        "truncated",
        "corrupt",
        "not an image",
    }


@pytest.mark.parametrize("name", SOUND)
def test_half_a_file_is_never_taken(name):
    data = SOUND[name][0]
    if "second" not in name:
        reason(data[: len(data) // 2])


@pytest.mark.parametrize("name", ["jpeg", "jpeg, cmyk", "png", "gif", "webp", "tiff", "bmp", "jpeg 2000"])
def test_bombs_are_refused_by_their_header(name):
    assert reason(SOUND[name][0], limit=37 * 23 - 1) == "too large: 851 pixels > 850"
    assert inspect(SOUND[name][0], 37 * 23)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_bombs_beside_the_pixels_are_refused(kind):
    """100 MB of zeros in 100 kB of text or profile."""
    head = b"a\0\1\0\0\0" if kind == b"iTXt" else b"a\0\0"
    data = kind + head + zlib.compress(bytes(100 << 20), 9)
    sound = encoded("PNG")
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    assert reason(sound[:33] + chunk + sound[33:]).startswith("corrupt: Decompressed data too large")


def test_a_damaged_png_is_found_by_its_checksum():
    data = bytearray(encode_png(np.zeros((28, 28), np.uint8)))
    data[400] ^= 1
    assert reason(bytes(data)) == "corrupt: checksum of PNG chunk b'IDAT'"


def test_a_few_stray_bytes_of_a_camera_are_forgiven():
    data = encoded("JPEG")
    assert inspect(data[:-2] + b"\0" * 6 + data[-2:] + b"trailer", LIMIT)
    assert reason(data[:-2] + b"\1" * 40 + data[-2:]).startswith("corrupt: ")


@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("name", SOUND)
def test_resized(name, color):
    data = SOUND[name][0]
    small = decode_resized(data, 16, color)
    assert small.shape == (16, 16, 3 if color == "rgb" else 1)
    assert abs(small.mean() - decode(data, color).mean()) < 4


def test_a_size_that_fits_is_left_alone():
    for kind in ("PNG", "JPEG"):
        data = encoded(kind, size=(28, 28))
        assert (decode_resized(data, 28) == decode(data)).all()


def test_shrinking_a_large_jpeg_by_its_dct_is_as_good_as_shrinking_its_pixels():
    data = encoded("JPEG", size=(800, 600), quality=95)
    exact = Image.fromarray(decode(data)).resize((64, 64), Image.Resampling.BILINEAR)
    assert np.abs(decode_resized(data, 64).astype(int) - np.asarray(exact)).max() <= 4


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(CORPUS),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4), st.integers(0, 4)), max_size=4
    ),
    st.floats(0, 1),
)
def test_whatever_the_bytes_it_is_an_image_or_refused(data, edits, keep):
    for where, insert, drop in edits:
        at = int(where * len(data))
        data = data[:at] + insert + data[at + drop :]
    if keep < 0.3:
        data = data[: int(keep / 0.3 * len(data))]
    _taken_or_refused(data)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([data[:12] for data in CORPUS]), st.binary(max_size=200))
def test_noise_behind_a_true_beginning(start, noise):
    _taken_or_refused(start + noise)


def _taken_or_refused(data):
    try:
        info = inspect(data, LIMIT)
    except BadImage as refused:
        info, why = None, str(refused)
    if info is None:
        assert len(why.splitlines()) == 1
    else:
        assert decode(data).shape == (info.height, info.width, 3)
        assert decode_resized(data, 8, "gray").shape == (8, 8, 1)


def test_threads_share_nothing_and_leave_the_warnings_as_they_were():
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda k: decode(CORPUS[k % 19]).tobytes(), range(400)))
    assert all(pixels == found[k % 19] for k, pixels in enumerate(found))
    assert list(warnings.filters) == before
