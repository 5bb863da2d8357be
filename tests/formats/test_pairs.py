"""Every format that is written, and every pair of them: what is lost is counted, and the rest stays as it was."""

from __future__ import annotations

import tempfile
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from assay import plugins
from assay.commands.export import writers
from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.records import Outgoing, Record, Written
from assay.errors import UsageError
from assay.params import Source
from tests.formats.drawn import CLASSES, DATA, HEIGHT, WIDTH, objects, pixels

lists = st.lists(st.lists(objects(), max_size=3), min_size=1, max_size=2)


TWO_PARTS = Annotation(category="cat", segmentation=[[0, 0, 0.5, 0, 0.5, 0.5], [0, 0, 3, 0, 3, 3]])
"""The first part covers no pixel: as one ring around the pixels, the object has a smaller box."""


def meaning(notes: list[Annotation]) -> list:
    """What a format has to keep: class, box, pixels, crowd and attributes of each object, and the tags."""
    held = [
        (
            one.category,
            one.box and tuple(round(v, 6) for v in one.box),
            pixels(one),
            one.iscrowd,
            tuple(sorted((k, type(v).__name__, v) for k, v in one.attributes.items())),
        )
        for one in notes
    ]
    tags = {one for one in held if one[1] is None}
    return sorted([*tags, *(one for one in held if one[1] is not None)], key=repr)


def there_and_back(
    name: str, images: list[Outgoing], classes: tuple[str, ...] = CLASSES
) -> tuple[Written, list[Record]]:
    """Write images in a format, and read them. The images are those of DATA, by their order."""
    module = plugins.load("formats", name)
    with tempfile.TemporaryDirectory() as folder:
        written = module.write(images, classes, Path(folder))
        form = written.format or name
        source = Source(name="s", format=form, path=written.path, options=written.options)
        if not any(Path(folder).iterdir()):  # no image has one tag
            return written, []
        records = list(plugins.load("formats", form).read(source, Path(folder)))
        for record in records:
            assert record.skip in (None, "ignored")
            assert record.issues == []
            record.data = Path(record.file).read_bytes() if record.skip is None else None
    return written, [record for record in records if record.data is not None]


def sent(notes: list[list[Annotation]], splits: tuple[str, ...]) -> list[Outgoing]:
    return [
        Outgoing(f"a/{n}.jpg", lambda n=n: DATA[n], WIDTH, HEIGHT, list(held), splits[n % len(splits)])
        for n, held in enumerate(notes)
    ]


def again(records: list[Record]) -> list[Outgoing]:
    return [
        Outgoing(f"{n}.jpg", lambda r=r: r.data, WIDTH, HEIGHT, r.annotations or [], r.split or "train")
        for n, r in enumerate(records)
    ]


def found(images: list[Record] | list[Outgoing], with_splits: bool = True) -> dict[bytes, tuple]:
    """Bytes of each image -> its split, and the meaning of its annotations."""
    return {
        (one.data if isinstance(one, Record) else one.read()): (
            with_splits and one.split,
            meaning(one.annotations),
        )
        for one in images
    }


@pytest.mark.parametrize("name", writers())
@settings(max_examples=30)
@given(lists, st.sampled_from([("train",), ("val", "test")]))
@example([[TWO_PARTS]], ("train",))
def test_what_does_not_come_back_is_counted_as_lost(name, notes, splits):
    images = sent(notes, splits)
    written, records = there_and_back(name, images)
    keeps_splits = not written.lost.pop("splits of images", 0)
    if not +written.lost:
        assert found(records, keeps_splits) == found(images, keeps_splits)


@pytest.mark.parametrize("name", writers())
def test_names_with_accents_spaces_and_percents_and_equal_ones_in_two_folders(name):
    paths = ("a b/é%20x.jpg", "ü/é%20x.jpg", "50%.jpg")
    kinds = (Annotation(category="cat"), Annotation(category="cat", segmentation=[[0, 0, 3, 0, 3, 3]]))
    for note in kinds:
        images = [
            Outgoing(p, lambda n=n: DATA[n], WIDTH, HEIGHT, [note], "train") for n, p in enumerate(paths)
        ]
        written, records = there_and_back(name, images)
        assert written.lost["images without one tag"] + len(records) == len(images)
        assert len({record.data for record in records}) == len(records)


@pytest.mark.parametrize("name", writers())
@pytest.mark.parametrize("at", [((0, 0), (0, 1)), ((0, 0), (1, 1)), ((15, 23), (0, 0))])
def test_a_mask_of_two_pixels_keeps_them_or_is_counted(name, at):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for place in at:
        mask[place] = True
    images = sent([[Annotation(category="cat", segmentation=masks.encode(mask))]], ("train",))
    written, records = there_and_back(name, images, ("cat",))
    if not written.lost.keys() - {"splits of images"} or not +written.lost:
        assert [pixels(one) for record in records for one in record.annotations] == [
            masks.encode(mask).counts
        ]


@pytest.mark.parametrize(("name", "other"), list(combinations_with_replacement(writers(), 2)))
@settings(max_examples=3)
@given(lists)
def test_what_two_formats_can_hold_passes_through_both_unchanged(name, other, notes):
    """The first rounds leave what both can hold, such as pixels of whole numbers: then nothing changes any more."""
    images = sent(notes, ("train",))
    for _ in range(5):
        before, images = found(images), through(other, through(name, images))
        if found(images) == before:
            return
    raise AssertionError(f"after five rounds an annotation still changes: {before} to {found(images)}")


def through(name: str, images: list[Outgoing]) -> list[Outgoing]:
    return again(there_and_back(name, images)[1]) if images else []


TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\0\x01\t\n\r\x85\u2028\ufffe,;\"'&<]\\/.:#"),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", writers())
@settings(max_examples=25)
@given(TEXTS, TEXTS, st.booleans())
def test_any_text_is_a_class_or_an_attribute_or_is_refused_in_one_line(name, category, value, is_tag):
    assume(category == category.strip())
    place = {} if is_tag else {"bbox": (1, 2, 3, 4), "attributes": {"pose": value}}
    images = sent([[Annotation(category=category, **place)]], ("train",))
    try:
        written, records = there_and_back(name, images, (category,))
    except UsageError as refused:
        if "\n" in str(refused):
            raise
        return
    if not +written.lost:
        assert found(records) == found(images)
