"""Whatever stands in a field of the JSON formats is taken or refused, never an exception."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import plugins
from assay.errors import SourceError
from assay.formats._objects import Counts
from assay.params import Source

odd = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 40) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
POINTS = [[1, 2], [4, 2], [4, 6]]
VALUE = {"x": 10, "y": 20, "width": 30, "height": 40}


def label_studio(field, value) -> list:
    item = {"id": "a", "type": "rectanglelabels", "value": VALUE | {"rectanglelabels": ["cat"]}} | {
        field: value
    }
    inner = {"id": "b", "type": "polygonlabels", "value": {"points": POINTS, "polygonlabels": ["cat"]}}
    inner["value"] = inner["value"] | {field: value}
    return [
        {"id": 1, "data": {"image": "1.png"}, "annotations": [{"result": [item, inner]} | {field: value}]}
    ]


def labelme(field, value) -> dict:
    shape = {"label": "cat", "points": POINTS} | {field: value}
    box = {"label": "cat", "shape_type": "rectangle", "points": POINTS[:2], field: value}
    return {"imagePath": "1.png", "shapes": [shape, box]}


def createml(field, value) -> list:
    place = {"label": "cat", "coordinates": VALUE | {field: value}}
    return [{"image": "1.png", "annotations": [place, {"label": "cat", "coordinates": VALUE, field: value}]}]


FIELDS = {
    label_studio: ["id", "type", "value", "x", "rotation", "points", "original_width", "image_rotation", "result",
                   "from_name", "updated_at", "rle", "polygonlabels"],
    labelme: ["label", "points", "shape_type", "group_id", "flags", "description", "mask"],
    createml: ["label", "coordinates", "x", "width"],
}  # fmt: skip


@pytest.mark.parametrize("made", FIELDS, ids=lambda made: made.__name__)
@settings(max_examples=60)
@given(st.data())
def test_whatever_stands_in_a_field_is_taken_or_refused(tmp_path, draw_image, made, data):
    draw_image("1.png")
    said = made(data.draw(st.sampled_from(FIELDS[made])), data.draw(odd | st.just(10**400)))
    (tmp_path / "a.json").write_text(json.dumps(said))
    path = "." if made is labelme else "a.json"
    counts = Counts()
    try:
        for record in plugins.load("formats", made.__name__).read(
            Source(name="s", format=made.__name__, path=path), tmp_path
        ):
            counts.meet(record)
    except SourceError:
        return
    assert counts.numbers["read"] == sum(counts.numbers[kind] for kind in ("taken", "fixed", "refused"))
