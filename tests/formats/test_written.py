"""What the formats keep of data that they cannot hold in full; and that other libraries read it."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from torchvision.datasets import CocoDetection, VOCDetection

from assay import plugins
from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.records import Outgoing
from assay.params import Source
from tests.formats.drawn import CLASSES, DATA, HEIGHT, WIDTH, objects

DRAWN = ("box", "polygon", "parts", "pierced", "mask", "both")


def sent(notes, path="1.jpg", split="train") -> Outgoing:
    return Outgoing(path, lambda: DATA[0], WIDTH, HEIGHT, list(notes), split)


def there_and_back(name, images, folder, classes=CLASSES):
    module = plugins.load("formats", name)
    written = module.write(images, classes, folder)
    source = Source(name="s", format=name, path=".", options=written.options if name != "coco" else {})
    return written, list(module.read(source, folder))


def pixels(one: Annotation) -> bytes | None:
    return None if one.segmentation is None else masks.rasterized(one.segmentation, HEIGHT, WIDTH).tobytes()


def box(one: Annotation) -> list[float]:
    return [round(v, 6) for v in one.box]


some = st.lists(st.lists(objects(DRAWN), max_size=4), min_size=1, max_size=2)


@settings(max_examples=25)
@given(some)
def test_coco_keeps_all_but_the_difference_between_no_box_and_that_of_the_outline(lists):
    with tempfile.TemporaryDirectory() as folder:
        images = [sent(notes, f"{n}.jpg") for n, notes in enumerate(lists)]
        written, back = there_and_back("coco", images, Path(folder))
    assert written.objects == sum(map(len, lists))
    for notes, record in zip(lists, back, strict=True):
        assert record.issues == []
        assert [(a.category, a.iscrowd, a.attributes, a.box, pixels(a)) for a in record.annotations] == [
            (a.category, a.iscrowd, a.attributes, a.box, pixels(a)) for a in notes
        ]


@settings(max_examples=25)
@given(some)
def test_yolo_keeps_classes_and_either_boxes_or_outlines(lists):
    images = [sent(notes, f"{n}.jpg") for n, notes in enumerate(lists)]
    with tempfile.TemporaryDirectory() as folder:
        written, back = there_and_back("yolo", images, Path(folder))
    kept = [[a for a in notes if not a.iscrowd] for notes in lists]
    assert written.lost["crowds"] == sum(map(len, lists)) - sum(map(len, kept))
    outlined = any(a.segmentation is not None for notes in lists for a in notes)
    for notes, record in zip(kept, back, strict=True):
        assert {a.category for a in record.annotations} == {a.category for a in notes}
        if outlined:
            drawn = {pixels(a) for a in record.annotations}
            assert {pixels(a) for a in notes if a.segmentation is not None} <= drawn
        else:
            assert {tuple(box(a)) for a in record.annotations} == {tuple(box(a)) for a in notes}


def voc_holds(name, value):
    """Flags that are set, and a pose: an XML says 0 and `Unspecified` of every other object."""
    return value is True if name in ("difficult", "occluded") else name == "pose" and isinstance(value, str)


@settings(max_examples=25)
@given(some)
def test_voc_keeps_boxes_flags_and_the_pixels_on_top(lists):
    images = [sent(notes, f"a/{n}.jpg") for n, notes in enumerate(lists)]
    with tempfile.TemporaryDirectory() as folder:
        written, back = there_and_back("voc", images, Path(folder))
    assert sum(written.lost.values()) >= sum(a.iscrowd for notes in lists for a in notes)
    for notes, record in zip(lists, back, strict=True):
        kept = [a for a in notes if not a.iscrowd]
        assert [(a.category, box(a), a.attributes) for a in record.annotations] == [
            (a.category, box(a), {k: v for k, v in a.attributes.items() if voc_holds(k, v)}) for a in kept
        ]
        for above, (wanted, found) in enumerate(zip(kept, record.annotations, strict=True), 1):
            over = [masks.rasterized(a.segmentation, HEIGHT, WIDTH) for a in kept[above:] if a.segmentation]
            seen = np.frombuffer(pixels(wanted) or bytes(WIDTH * HEIGHT), bool).reshape(HEIGHT, WIDTH)
            seen = seen & ~np.any([*over, np.zeros_like(seen)], axis=0)
            assert (pixels(found) or bytes(WIDTH * HEIGHT)) == seen.tobytes()


@settings(max_examples=25)
@given(some)
def test_masks_keep_the_pixels_on_top_of_one_class(lists):
    same = [[a.model_copy(update={"category": "cat"}) for a in notes] for notes in lists]
    images = [sent(notes, f"{n}.jpg") for n, notes in enumerate(same)]
    with tempfile.TemporaryDirectory() as folder:
        _, back = there_and_back("masks", images, Path(folder), ("cat",))
    for notes, record in zip(same, back, strict=True):
        top = np.zeros((HEIGHT, WIDTH), int)
        for n, a in enumerate((a for a in notes if not a.iscrowd and a.segmentation is not None), 1):
            top[masks.rasterized(a.segmentation, HEIGHT, WIDTH)] = n
        assert [pixels(a) for a in record.annotations] == [(top == n).tobytes() for n in np.unique(top) if n]


def test_masks_of_several_classes_are_maps_of_classes(tmp_path):
    notes = [
        Annotation(category="cat", segmentation=[[0, 0, 4, 0, 4, 4, 0, 4]]),
        Annotation(category=CLASSES[1], segmentation=[[8, 8, 12, 8, 12, 12, 8, 12]]),
        Annotation(category="cat", bbox=(0, 0, 1, 1)),
    ]
    written, (record,) = there_and_back("masks", [sent(notes)], tmp_path)
    assert [(a.category, pixels(a)) for a in record.annotations] == [
        (a.category, pixels(a)) for a in notes[:2]
    ]
    assert +written.lost == {"boxes": 1, "polygons: their pixels instead": 2, "splits of images": 1}


def test_tags_go_to_folders_of_classes(tmp_path):
    written = plugins.load("formats", "yolo").write(
        [sent([Annotation(category="cat")]), sent([], "2.jpg")], CLASSES, tmp_path
    )
    assert [str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*.jpg")] == ["train/cat/1.jpg"]
    assert +written.lost == {"images without one tag": 1}


NOTES = [
    Annotation(category="cat", bbox=(1, 2, 3, 4)),
    Annotation(category=CLASSES[1], segmentation=[[[2, 2, 10, 2, 10, 10, 2, 10], [4, 4, 8, 4, 8, 8, 4, 8]]]),
    Annotation(category="cat", segmentation=[[0, 0, 4, 0, 4, 4]], iscrowd=True),
]


@pytest.mark.filterwarnings("ignore:__array__")
def test_pycocotools_and_torchvision_read_coco(tmp_path):
    plugins.load("formats", "coco").write([sent(NOTES, "a/1.jpg")], CLASSES, tmp_path)
    file = tmp_path / "annotations/instances_train.json"
    with contextlib.redirect_stdout(io.StringIO()):
        held = COCO(file)
        image, target = CocoDetection(tmp_path / "train", file)[0]
    assert [held.annToMask(a).sum() for a in held.loadAnns(held.getAnnIds())[1:]] == [48, 6]
    assert image.size == (WIDTH, HEIGHT)
    assert [t["bbox"] for t in target] == [[1, 2, 3, 4], [2, 2, 8, 8], [0, 0, 4, 4]]
    assert [t["area"] for t in target] == [12, 48, 6]


def test_torchvision_reads_voc(tmp_path):
    plugins.load("formats", "voc").write([sent(NOTES, "a/1.jpg")], CLASSES, tmp_path)
    image, target = VOCDetection(tmp_path, year="2012", image_set="train")[0]
    assert image.size == (WIDTH, HEIGHT)
    first = target["annotation"]["object"][0]
    assert (first["name"], first["bndbox"]) == ("cat", {"xmin": "2", "ymin": "3", "xmax": "4", "ymax": "6"})
    assert len(target["annotation"]["object"]) == 2
