from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.images.decode import inspect
from assay.data.images.frames import Frame, frame_of, turned
from assay.data.images.orientation import TURNS

MASK = np.zeros((10, 20), bool)
MASK[1:4, 2:9] = True
MASK[6, 15] = True
BOX = MASK.copy()
BOX[6, 15] = False


@pytest.mark.parametrize("orientation", TURNS)
def test_objects_turn_as_the_pixels_do(orientation):
    frame = Frame(20, 10, orientation)
    upright = TURNS[orientation](MASK.astype(np.uint8)).astype(bool)
    width, height = frame.upright
    assert upright.shape == (height, width)
    one = turned(Annotation(category="c", segmentation=masks.encode(MASK)), frame)
    assert np.array_equal(masks.decode(one.segmentation), upright)
    ring = [2, 1, 9, 1, 9, 4, 2, 4]
    drawn = turned(Annotation(category="c", bbox=(2, 1, 7, 3), segmentation=[ring]), frame)
    wanted = masks.encode(TURNS[orientation](BOX.astype(np.uint8)).astype(bool))
    assert masks.rle_of(drawn.segmentation, height, width) == wanted
    assert drawn.bbox == masks.box_of_mask(wanted)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_frame_is_what_the_pool_finds(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.new("RGB", (20, 10)).save(tmp_path / f"a.{suffix}", exif=exif)
    info = inspect((tmp_path / f"a.{suffix}").read_bytes(), 1000)
    assert frame_of(tmp_path / f"a.{suffix}").upright == (info.width, info.height)


def test_what_is_no_image_has_no_frame(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff nothing")
    assert frame_of(tmp_path / "a.jpg") is None
    assert frame_of(tmp_path / "b.jpg") is None
