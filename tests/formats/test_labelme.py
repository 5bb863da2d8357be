from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from assay.data import masks
from assay.data.annotations import Annotation
from assay.errors import SourceError
from assay.formats import labelme
from assay.formats._files import png_of
from assay.params import Source
from tests.formats.drawn import bomb


@pytest.fixture
def read(tmp_path, draw_image):
    """Read val/1.json with these shapes, of val/1.png (20 × 10 px)."""

    def read(*shapes, image="1.png", size=(20, 10), flags=None):
        draw_image("val/1.png")
        said = {"imagePath": image, "shapes": list(shapes), "flags": flags or {}, "imageData": None}
        said |= {"imageWidth": size[0], "imageHeight": size[1]}
        (tmp_path / "val/1.json").write_text(json.dumps(said))
        return list(labelme.read(Source(name="s", format="labelme", path="."), tmp_path))

    return read


def shape(*points, kind="polygon", **said) -> dict:
    return {"label": "cat", "points": [list(point) for point in points], "shape_type": kind} | said


def test_shapes_flags_and_descriptions(read):
    flags = {"far": True, "near": False, "iscrowd": True}
    (record,) = read(
        shape((0, 0), (4, 0), (4, 4), flags=flags, description="left"),
        shape((9, 8), (5, 2), kind="rectangle"),
        shape((5, 2), (9, 2), (9, 8), (5, 8), kind="rectangle"),
        shape((5, 2), (9, 4), (8, 6), (4, 4), kind="oriented_rectangle"),
        flags={"day": True, "night": False},
    )
    assert record.annotations == [
        Annotation(
            category="cat",
            segmentation=[[0, 0, 4, 0, 4, 4]],
            iscrowd=True,
            attributes={"far": True, "near": False, "description": "left"},
        ),
        Annotation(category="cat", bbox=(5, 2, 4, 6)),
        Annotation(category="cat", bbox=(5, 2, 4, 6)),
        Annotation(category="cat", segmentation=[[5, 2, 9, 4, 8, 6, 4, 4]]),
        Annotation(category="day"),
    ]
    assert (record.path, record.split, record.issues) == ("val/1.png", "val", [])


def test_polygons_of_one_group_are_parts_of_one_object(read):
    rings = [(0, 0), (4, 0), (4, 4)], [(9, 0), (12, 0), (12, 4)]
    parts = [shape(*ring, group_id=7) for ring in rings]
    (record,) = read(*parts, shape(*rings[0], group_id=7, label="dog"), shape(*rings[0]))
    assert [(one.category, len(one.segmentation)) for one in record.annotations] == [
        ("cat", 2),
        ("dog", 1),
        ("cat", 1),
    ]


def test_a_mask_lies_in_the_box_of_its_points(read):
    pixels = np.zeros((10, 20), bool)
    pixels[2:5, 3:7] = True
    pixels[3, 4] = False
    png = base64.b64encode(png_of(pixels[2:5, 3:7].astype(np.uint8))).decode()
    (record,) = read(shape((3, 2), (6, 4), kind="mask", mask=png))
    assert np.array_equal(masks.decode(record.annotations[0].segmentation), pixels)


PNG = base64.b64encode(png_of(np.ones((2, 2), np.uint8))).decode()
BROKEN = base64.b64encode(png_of(np.ones((2, 2), np.uint8))[:20] + b"?" * 40).decode()
BOMB = base64.b64encode(bomb()).decode()


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (shape((0, 0), (4, 0), kind="circle"), "circle is none of polygon, rectangle"),
        (shape((0, 0), (4, 0), (4, 4), (0, 4), (0, 2), kind="rectangle"), "a rectangle of 5 points"),
        (shape((0, 0), (4, 0)), "three corners"),
        (shape((0, 0), (4,), (4, 4)), "no pairs of numbers"),
        (shape((0, 0), ("4", 0), (4, 4)), "no pairs of numbers"),
        (shape((0, 0), (4, 0), (4, 4), label=""), "category"),
        (shape((0, 0), (1, 1), kind="mask", mask="%"), "no image in base64"),
        (shape((0, 0), (1, 1), kind="mask"), "no image in base64"),
        (shape((0, 0), (1, 1), kind="mask", mask=BROKEN), "no image in base64"),
        (shape((0, 0), (1, 1), kind="mask", mask=BOMB), "no image in base64"),
        (shape((0, 0), (2, 1), kind="mask", mask=PNG), "another size than its points"),
        (shape((19, 0), (20, 1), kind="mask", mask=PNG), "beyond the image"),
        (7, "points are no pairs"),
    ],
)
def test_a_bad_shape_is_refused_by_its_place(read, one, why):
    (record,) = read(shape((0, 0), (4, 0), (4, 4)), one)
    assert len(record.annotations) == 1
    assert record.issues[0].where == "val/1.json, shapes[1]"
    assert why in record.issues[0].what


def test_the_image_is_that_of_the_path_or_of_the_name_of_the_json(read, tmp_path, draw_image):
    assert read(image=r"C:\photos\lost.png")[0].path == "val/1.png"
    draw_image("val/2.png")
    (tmp_path / "val/3.json").write_text('{"imagePath": "3.png", "shapes": [{}]}')
    (tmp_path / "val/4.json").write_text("{")
    (tmp_path / "val/5.json").write_text('{"version": 1}')
    first, second, third, fourth = read()
    assert (first.annotations, second.annotations) == ([], None)
    assert (third.skip, len(third.issues)) == ("missing: named in val/3.json", 1)
    assert fourth.skip == "no JSON: it cannot be parsed"


def test_a_size_that_is_not_the_image_s_and_no_json(read, tmp_path):
    (record,) = read(shape((0, 0), (4, 0), (4, 4)), size=(40, 20))
    assert record.annotations is None
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match=r"no \.json with shapes"):
        list(labelme.read(Source(name="s", format="labelme", path="none"), tmp_path))
