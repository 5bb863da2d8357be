from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from assay import plugins
from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.records import Outgoing
from assay.errors import SourceError
from assay.formats import _voc, voc
from assay.params import Source
from tests.formats.drawn import bomb


def box(left, top, right, bottom, name="cat", more="") -> str:
    sides = "".join(
        f"<{tag}>{v}</{tag}>" for tag, v in zip(_voc.SIDES, (left, top, right, bottom), strict=True)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{sides}</bndbox></object>"


@pytest.fixture
def read(tmp_path, draw_image):
    """Read Annotations/1.xml with these objects, of JPEGImages/1.png (20 × 10 px)."""

    def read(*objects, size=(20, 10), name="1.png", **options):
        draw_image("JPEGImages/1.png")
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        told = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
        text = f"<annotation><filename>{name}</filename>{told}{''.join(objects)}</annotation>"
        (tmp_path / "Annotations/1.xml").write_text(text)
        return list(voc.read(Source(name="s", format="voc", path=".", options=options), tmp_path))

    return read


def test_coordinates_begin_at_one_and_include_the_last_pixel(read):
    (record,) = read(box(1, 1, 20, 10), box(5, 5, 5, 5))
    assert [one.bbox for one in record.annotations] == [(0, 0, 20, 10), (4, 4, 1, 1)]
    (record,) = read(box(0, 0, 20, 10), box(5, 5, 5, 5), one_based=False)
    assert [one.bbox for one in record.annotations] == [(0, 0, 20, 10)]
    assert record.issues[0].where == "Annotations/1.xml, object 2"


def test_the_base_is_that_of_most_boxes_on_the_border(read):
    """Where tools count from 0, boxes on the border begin at 0; a single 0 among ones is a slip."""
    (record,) = read(box(0, 0, 20, 10), box(0, 3, 5, 5), box(1, 3, 5, 5))
    assert [one.bbox for one in record.annotations] == [(0, 0, 20, 10), (0, 3, 5, 2), (1, 3, 4, 2)]
    (record,) = read(box(1, 1, 20, 10), box("0.0", 3, 5, 5))
    assert [one.bbox for one in record.annotations] == [(0, 0, 20, 10), (0, 2, 5, 3)]
    assert [str(issue) for issue in record.issues] == [
        "Annotations/1.xml, object 2: begins at 0 in a data set that counts from 1: taken as 1: fixed"
    ]
    (record,) = read(box(0, 3, 5, 5), one_based=True)
    assert (record.annotations[0].bbox, record.issues) == ((-1, 2, 6, 3), [])


def test_flags_become_attributes_and_parts_are_no_objects(read):
    more = "<difficult>1</difficult><truncated>0</truncated><pose>Left</pose>"
    more += "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    (record,) = read(box(1, 1, 5, 5, more=more))
    assert record.annotations == [
        Annotation(category="cat", bbox=(0, 0, 5, 5), attributes={"difficult": True, "pose": "Left"})
    ]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (box(5, 5, 4, 9), "greater than 0"),
        (box(50, 5, 60, 9), "outside"),
        (box("", 5, 6, 9), "no numbers"),
        (box(1, 1, 5, 5, name=" "), "category"),
        ("<object><name>cat</name></object>", "no numbers"),
    ],
)
def test_a_bad_object_is_refused_by_its_place(read, one, why):
    (record,) = read(box(1, 1, 5, 5), one)
    assert len(record.annotations) == 1
    assert (record.issues[0].where, record.issues[0].outcome) == ("Annotations/1.xml, object 2", "refused")
    assert why in record.issues[0].what


def test_nothing_on_it_nobody_looked_and_no_image(read, draw_image, tmp_path):
    draw_image("JPEGImages/2.png")
    (tmp_path / "Annotations").mkdir(exist_ok=True)
    (tmp_path / "Annotations/3.xml").write_text(f"<annotation>{box(1, 1, 2, 2)}</annotation>")
    (tmp_path / "Annotations/4.xml").write_text("<annotation>")
    lost, broken, first, second = read()
    assert (first.annotations, second.annotations) == ([], None)
    assert lost.skip == "missing: named in Annotations/3.xml"
    assert len(lost.issues) == 1
    assert broken.skip.startswith("no XML")


def test_a_file_name_with_another_suffix_is_found(read):
    (record,) = read(box(1, 1, 2, 2), name="1.jpeg")
    assert len(record.annotations) == 1


def test_a_size_that_is_not_the_image_s_leaves_it_unlabelled(read):
    (record,) = read(box(1, 1, 2, 2), box(1, 1, 3, 3), size=(40, 20))
    assert record.annotations is None
    assert [issue.outcome for issue in record.issues] == ["refused"] * 2


def test_splits_and_no_xml(read, tmp_path):
    main = tmp_path / "ImageSets/Main"
    main.mkdir(parents=True)
    for split in ("val", "train", "trainval"):
        (main / f"{split}.txt").write_text("1\n")
    assert read()[0].split == "val", "whatever the order in which the system lists the files"
    (main / "test.txt").write_text("1\n")
    assert read()[0].split == "test"
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match=r"no \.xml below"):
        list(voc.read(Source(name="s", format="voc", path="none"), tmp_path))


def test_masks_of_instances_join_their_boxes(read, tmp_path):
    objects, classes = np.zeros((10, 20), np.uint8), np.zeros((10, 20), np.uint8)
    for number, kind, rows in ((1, 1, slice(0, 3)), (2, 2, slice(4, 6)), (3, 9, slice(7, 8))):
        objects[rows, 2:5], classes[rows, 2:5] = number, kind
    objects[9], classes[9] = voc.BORDER, voc.BORDER
    for kind, held in (("Object", objects), ("Class", classes)):
        (tmp_path / f"Segmentation{kind}").mkdir()
        Image.fromarray(held).save(tmp_path / f"Segmentation{kind}/1.png")
    first, second = masks.encode(objects == 1), masks.encode(objects == 2)
    (record,) = read(box(3, 1, 5, 3), box(10, 1, 12, 3), classes=["cat", "dog"])
    assert record.annotations == [
        Annotation(category="cat", bbox=(2, 0, 3, 3), segmentation=first),
        Annotation(category="cat", bbox=(9, 0, 3, 3)),
        Annotation(category="dog", segmentation=second),
    ]
    assert "object 3 is of class 9" in record.issues[0].what
    assert len(record.beside) == 2


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n" + b"?" * 40, bomb()])
def test_maps_that_are_damaged_or_bombs_are_as_if_not_there(read, tmp_path, data):
    for kind in ("Object", "Class"):
        (tmp_path / f"Segmentation{kind}").mkdir()
        (tmp_path / f"Segmentation{kind}/1.png").write_bytes(data)
    (record,) = read(box(3, 1, 5, 3))
    assert record.annotations == [Annotation(category="cat", bbox=(2, 0, 3, 3))]


def test_as_many_objects_go_out_as_coco_as_came_in_as_voc(read, tmp_path):
    (record,) = read(box(1, 1, 20, 10), box(5, 5, 5, 5), box(3, 3, 4, 9, more="<difficult>1</difficult>"))
    sent = Outgoing("1.png", record.file.read_bytes, 20, 10, record.annotations, "train")
    plugins.load("formats", "coco").write([sent], ["cat"], tmp_path / "out")
    held = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    assert [row["bbox"] for row in held["annotations"]] == [[0, 0, 20, 10], [4, 4, 1, 1], [2, 2, 2, 7]]
