from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assay.data import masks as pixels
from assay.errors import ParamsError, SourceError
from assay.formats import masks
from assay.params import Source

NUMBERS = np.zeros((10, 20), np.uint16)
NUMBERS[1:3, 2:6], NUMBERS[5:8, 2:6] = 1, 700


@pytest.fixture
def read(tmp_path, draw_image):
    """Read images/1.png (20 × 10 px) and these masks, by name."""

    def read(files, image="images/1.png", **options):
        draw_image(image)
        for name, numbers in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(numbers).save(tmp_path / name)
        return list(masks.read(Source(name="s", format="masks", path=".", options=options), tmp_path))

    return read


def found(record):
    return [(one.category, pixels.area(one.segmentation)) for one in record.annotations]


def test_each_number_of_a_map_is_an_object(read):
    (record,) = read({"masks/1.png": NUMBERS}, category="nucleus")
    assert found(record) == [("nucleus", 8), ("nucleus", 12)]
    assert np.array_equal(pixels.decode(record.annotations[1].segmentation), NUMBERS == 700)
    assert [name.rsplit("/", 1)[1] for name in record.beside] == ["1.png", "1.png"]


def test_each_number_of_a_map_is_a_class(read):
    numbers = np.where(NUMBERS == 700, 2, NUMBERS).astype(np.uint8)
    numbers[9] = 255
    numbers[0, 0] = 5
    (record,) = read({"masks/1.png": numbers}, of="classes", classes=["background", "cell", "wall"])
    assert found(record) == [("cell", 8), ("wall", 12)]
    assert str(record.issues[0]) == "masks/1.png: number 5: options.classes has 3: refused"


@pytest.mark.parametrize("top", ["", "a/"])
def test_each_png_is_an_object(read, top):
    one = {
        f"{top}masks/{'' if top else '1/'}{n}.png": ((n == NUMBERS) * 255).astype(np.uint8)
        for n in (1, 700, 3)
    }
    (record,) = read(one, image=f"{top}images/1.png")
    assert found(record) == [("object", 8), ("object", 12)]
    assert "3.png: a mask without a pixel" in str(record.issues[0])


def test_nothing_on_it_nobody_looked_and_masks_without_images(read, draw_image):
    draw_image("images/2.png")
    first, second, stray = read({"masks/1.png": NUMBERS * 0, "masks/9.png": NUMBERS})
    assert (first.annotations, second.annotations) == ([], None)
    assert (stray.path, stray.skip.split(":")[0]) == ("masks/9.png", "no image")


def test_colours_and_other_sizes_leave_the_image_unlabelled(read):
    (record,) = read({"masks/1.png": np.zeros((10, 20, 3), np.uint8)})
    assert record.annotations is None
    assert "mode RGB" in str(record.issues[0])
    (record,) = read({"masks/1.png": NUMBERS[:, :10]})
    assert record.annotations is None
    assert "the source says 10 × 10 px, the image has 20 × 10 px" in str(record.issues[0])


def test_a_mask_of_the_stored_pixels_is_turned_with_them(read):
    (record,) = read({"masks/1.png": NUMBERS}, image="images/1.jpg")
    assert found(record) == [("object", 8), ("object", 12)]


def test_what_is_not_there_is_said(tmp_path, read):
    with pytest.raises(SourceError, match="no image in a folder 'photos'"):
        read({}, images="photos")
    with pytest.raises(ParamsError, match="needs `classes`"):
        read({}, of="classes")
