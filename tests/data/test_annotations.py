from __future__ import annotations

import json
import math
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.data.annotations import (
    Annotation,
    annotations_json,
    fitted,
    from_columns,
    reason,
    to_columns,
)
from assay.data.edits import Judgement
from assay.data.fold import fold
from assay.data.images.decode import ImageInfo
from assay.data.pool import Pool, PoolWriter, content_id
from assay.data.snapshot import ANNOTATIONS, Snapshot
from assay.errors import EditError

NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}
SQUARE = [0, 0, 4, 0, 4, 4, 0, 4]
HOLE = [1, 1, 2, 1, 2, 2, 1, 2]
IDS = [content_id(bytes([n])) for n in range(6)]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"category": ""}, "category"),
        ({"bbox": [0, 0, 0, 1]}, r"bbox\.2.*greater than 0"),
        ({"bbox": [0, 0, 1, -1]}, r"bbox\.3.*greater than 0"),
        ({"bbox": [0, math.nan, 1, 1]}, r"bbox\.1.*finite"),
        ({"bbox": [0, 0, math.inf, 1]}, r"bbox\.2.*finite"),
        ({"bbox": [0, 0, 1]}, "bbox"),
        ({"segmentation": []}, "at least one polygon"),
        ({"segmentation": [[]]}, "three corners"),
        ({"segmentation": [[0, 0, 1, 1]]}, "three corners"),
        ({"segmentation": [[0, 0, 1, 1, 2, 2]]}, "encloses no area"),
        ({"segmentation": [[0, 0, 1, 1, 2, math.nan]]}, "no pair of finite numbers"),
        ({"segmentation": [[0, 0, 1, 1, 2, 10**400]]}, "no pair of finite numbers"),
        ({"segmentation": [[0, 0, 1, 1, 2, "3"]]}, "no pair of finite numbers"),
        ({"bbox": [0, 0, 10**400, 1]}, r"bbox\.2"),
        ({"segmentation": [[SQUARE, [1, 1]]]}, "three corners"),
        ({"segmentation": {"size": [2, 2], "counts": [4]}}, "without a pixel"),
        ({"segmentation": {"size": [2, 2], "counts": [1, 2]}}, "come to 3 pixels, the size to 4"),
        ({"segmentation": {"size": [2, 2], "counts": [5, -1]}}, "neither text nor whole"),
        ({"segmentation": {"size": [2, 2], "counts": "1~"}}, "compressed text"),
        ({"segmentation": {"size": [2, 2], "counts": "P"}}, "compressed text"),
        ({"segmentation": {"size": [2], "counts": "31"}}, "height, width"),
        ({"segmentation": {"size": [99999, 99999], "counts": "31"}}, "too many"),
        ({"attributes": {"a": None}}, "attributes"),
        ({"attributes": {"a": math.nan}}, "attributes"),
        ({"score": 1}, "score"),
    ],
)
def test_what_is_no_object_is_refused_by_field(said, complaint):
    with pytest.raises(ValidationError) as error:
        Annotation.model_validate({"category": "c", **said})
    line = reason(error.value)
    assert "\n" not in line
    assert re.search(complaint, line)


def test_one_text_for_one_meaning():
    told = [
        {"segmentation": {"size": [2, 2], "counts": "31"}},
        {"segmentation": {"size": (2, 2), "counts": [3, 1]}},
        {"segmentation": {"counts": [1, 0, 2, 1, 0], "size": [2, 2]}},
        {"segmentation": {"size": [2, 2], "counts": b"31"}, "iscrowd": 0, "attributes": {}},
    ]
    texts = {annotations_json([Annotation.model_validate({"category": "c", **one})]) for one in told}
    assert texts == {'[{"category":"c","segmentation":{"counts":"31","size":[2,2]}}]'}
    polygons = ([SQUARE], [[SQUARE]], [tuple(map(float, SQUARE))], [[-0.0, *SQUARE[1:]]])
    assert len({annotations_json([Annotation(category="c", segmentation=p)]) for p in polygons}) == 1
    numbers = ({"b": 1, "a": True}, {"a": True, "b": 1.0})
    assert len({annotations_json([Annotation(category="c", attributes=a)]) for a in numbers}) == 1


def test_nothing_on_it_is_not_nobody_looked():
    assert (annotations_json([]), annotations_json(None)) == ("[]", None)


number = st.floats(0, 64, width=32)
ring = st.lists(number, min_size=6, max_size=12).filter(lambda v: len(v) % 2 == 0)
attribute = st.text(max_size=3) | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9)
objects = st.fixed_dictionaries(
    {"category": st.text(min_size=1, max_size=3)},
    optional={
        "bbox": st.tuples(number, number, st.floats(0.5, 64), st.floats(0.5, 64)),
        "segmentation": st.lists(ring | st.lists(ring, min_size=1, max_size=2), min_size=1, max_size=2),
        "iscrowd": st.booleans(),
        "attributes": st.dictionaries(st.text(max_size=3), attribute, max_size=2),
    },
)


@settings(max_examples=50)
@given(objects)
def test_text_and_columns_hold_all_of_an_object(said):
    try:
        one = Annotation.model_validate(said)
    except ValidationError:  # a ring without area
        return
    text = annotations_json([one])
    (held,) = json.loads(text)
    assert Annotation.model_validate(held) == one
    assert annotations_json([from_columns(to_columns(held))]) == text


@pytest.mark.parametrize(
    ("box", "found"),
    [
        ((0, 0, 10, 8), (0, 0, 10, 8)),
        ((-1, -0.5, 12, 9.5), (-1, -0.5, 12, 9.5)),
        ((-2, 0, 6, 4), (0, 0, 4, 4)),
        ((6, 4, 8, 4), (6, 4, 4, 4)),
        ((7, 4, 8, 4), None),
        ((20, 20, 4, 4), None),
    ],
)
def test_an_object_beyond_its_image_is_taken_clipped_or_refused(box, found):
    one = Annotation(category="c", bbox=box)
    if found is None:
        with pytest.raises(ValueError, match="outside the image of 10 × 8 px"):
            fitted(one, 10, 8)
    else:
        fit, how = fitted(one, 10, 8)
        assert fit.bbox == found
        assert how == ("taken" if found == box else "clipped")


def test_outlines_are_clipped_with_their_boxes():
    one = Annotation(category="c", segmentation=[[-3, 0, 5, 0, 5, 4, -3, 4], [-3, 0, -2, 0, -2, 1]])
    fit, how = fitted(one, 10, 8)
    assert how == "clipped"
    assert fit.segmentation == (((0, 0, 5, 0, 5, 4, 0, 4),),)


def test_a_mask_of_another_size_is_refused():
    one = Annotation(category="c", segmentation={"size": [10, 8], "counts": [79, 1]})
    assert fitted(one, 8, 10) == (one, "taken")
    with pytest.raises(ValueError, match="8 × 10 px on an image of 10 × 8 px"):
        fitted(one, 10, 8)


def pool(path, notes):
    with PoolWriter(path, 8, 1 << 20) as writer:
        for n, (sample, note) in enumerate(zip(IDS, notes, strict=True)):
            writer.add(sample, bytes([n]), ImageInfo(8, 8, "L", "PNG"))
            writer.add_row("imports", (sample, "s", f"{n}.png", note, None, None, None, "{}", False))
    return Pool.open(path)


def version(path, *edits, notes=(None,) * 6) -> Snapshot:
    batch = [
        Judgement.model_validate({"id": i, "op": "label", "annotations": a, "by": "t", "at": "2026"})
        for i, a in edits
    ]
    return fold(pool(path, notes), [("0001-t", batch)], NO_PAIRS, FRACTIONS, 0)


OLD_NOTES = (
    None,
    "[]",
    '[{"category":"cat"}]',
    '[{"bbox":[1.0,2.0,3.5,4.0],"category":"dog"},{"category":"cat"}]',
    '[{"category":"é"}]',
    None,
)
OLD_DIGEST = "9fee700696ab513fb428c72698e767c941c6692f4d59487ff18ff07db5d0b855"


def test_the_digest_of_tags_and_boxes_is_what_it_was_before_there_were_crowds(tmp_path):
    held = version(tmp_path, (IDS[5], [{"category": "dog", "bbox": [0, 0, 8, 8]}]), notes=OLD_NOTES)
    assert held.digest() == OLD_DIGEST


def test_the_snapshot_keeps_all_of_an_object_and_reads_files_without_the_later_columns(tmp_path):
    rich = {"category": "c", "segmentation": [[SQUARE, HOLE]], "iscrowd": True, "attributes": {"far": 2}}
    plain = {"category": "c", "segmentation": [[SQUARE, HOLE]]}
    held, less = (
        version(tmp_path / name, (IDS[0], [one])) for name, one in (("rich", rich), ("plain", plain))
    )
    assert held.annotations_of(IDS[:1]) == {IDS[0]: [Annotation.model_validate(rich)]}
    assert held.digest() != less.digest()
    less.write(tmp_path)
    table = less.annotations.drop_columns(["iscrowd", "attributes"])
    pq.write_table(table, tmp_path / "annotations.parquet")
    again = Snapshot.load(tmp_path)
    assert again.annotations.schema == ANNOTATIONS
    assert (again.digest(), again.annotations_of(IDS)) == (less.digest(), less.annotations_of(IDS))


def test_an_edit_is_clipped_to_its_image_or_names_its_batch(tmp_path):
    held = version(tmp_path / "a", (IDS[0], [{"category": "c", "bbox": [4, 4, 6, 4]}]))
    assert held.annotations["bbox"].to_pylist() == [[4, 4, 4, 4]]
    with pytest.raises(EditError, match=rf"0001-t\.jsonl judges image {IDS[0][:12]}: box 20, 4, 6, 4"):
        version(tmp_path / "b", (IDS[0], [{"category": "c", "bbox": [20, 4, 6, 4]}]))
