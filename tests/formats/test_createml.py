from __future__ import annotations

import json

import pytest

from assay.data.annotations import Annotation
from assay.errors import SourceError
from assay.formats import createml
from assay.params import Source

PLACE = {"x": 5, "y": 4, "width": 4, "height": 2}


@pytest.fixture
def read(tmp_path, draw_image):
    """Read train/_annotations.createml.json of these rows, with train/1.png (20 × 10 px)."""

    def read(*rows, name="train/_annotations.createml.json", **options):
        draw_image("train/1.png")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(rows))
        return list(createml.read(Source(name="s", format="createml", path=".", options=options), tmp_path))

    return read


def row(*annotations, key="image", name="1.png") -> dict:
    return {key: name, "annotations": list(annotations)}


def test_boxes_by_their_centre_and_tags(read):
    (record,) = read(row({"label": "cat", "coordinates": PLACE}, {"label": "day"}))
    assert record.annotations == [Annotation(category="cat", bbox=(3, 3, 4, 2)), Annotation(category="day")]
    assert (record.path, record.split) == ("train/1.png", "train")
    assert read(row(key="imagefilename"), splits=False)[0].split is None


@pytest.mark.parametrize(
    ("one", "why"),
    [
        ({"label": "", "coordinates": PLACE}, "category"),
        ({"label": "cat", "coordinates": PLACE | {"x": "5"}}, "are not x, y, width, height"),
        ({"label": "cat", "coordinates": [1, 2, 3, 4]}, "are not x, y, width, height"),
        ({"label": "cat", "coordinates": PLACE | {"width": 0}}, "greater than 0"),
        ({"label": "cat", "coordinates": PLACE | {"x": 90}}, "outside"),
        (7, "category"),
    ],
)
def test_a_bad_annotation_is_refused_by_its_place(read, one, why):
    (record,) = read(row({"label": "cat", "coordinates": PLACE}, one))
    assert len(record.annotations) == 1
    assert record.issues[0].where == "train/_annotations.createml.json, [0].annotations[1]"
    assert why in record.issues[0].what


def test_a_missing_image_one_named_twice_and_another_json(read):
    (record,) = read(row({"label": "cat"}, name="9.png"))
    assert (record.skip, len(record.issues)) == ("missing: named in train/_annotations.createml.json", 1)
    with pytest.raises(SourceError, match="1 images are named twice"):
        read(row(), row())
    with pytest.raises(SourceError, match="not in Create ML's format"):
        read({"image": "1.png"})
