from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.edits import Judgement
from assay.data.fold import fold
from assay.data.pool import Pool, content_id
from assay.experiments.comparison.objects import SAME, box_iou, changed_pairs, kinds_of, objects_part
from assay.reports.overlays import overlays


def box(x, y=0, w=10, h=10, name="cell", **more) -> Annotation:
    return Annotation(category=name, bbox=(x, y, w, h), **more)


def told(before, after):
    """Each change as (kinds, x before, x after), sorted."""
    pairs = changed_pairs(before, after)
    return sorted((kinds_of(pair), *(one and one.bbox[0] for one in pair)) for pair in pairs)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ([box(0)], [box(0)], []),
        ([box(0), box(30)], [box(30), box(0)], []),
        ([box(0)], [box(2)], [(["re-boxed"], 0, 2)]),
        ([box(0)], [box(8)], [(["added"], None, 8), (["removed"], 0, None)]),
        ([box(0)], [box(0, name="dust")], [(["re-classified"], 0, 0)]),
        ([box(0)], [box(1, name="dust")], [(["re-boxed", "re-classified"], 0, 1)]),
        ([box(0)], [box(0, iscrowd=True)], [(["re-described"], 0, 0)]),
        ([box(0)], [box(0, segmentation=[[0, 0, 10, 0, 5, 9]])], [(["re-outlined"], 0, 0)]),
        ([box(0)], [box(0), box(0)], [(["added"], None, 0)]),
        ([box(0), box(3)], [box(1), box(4)], [(["re-boxed"], 0, 1), (["re-boxed"], 3, 4)]),
        ([box(0, name="a"), box(0, name="b")], [box(1, name="b"), box(1, name="a")], [(["re-boxed"], 0, 1)] * 2),
        ([Annotation(category="tag")], [Annotation(category="other")], []),
    ],
)  # fmt: skip
def test_each_object_is_paired_once(before, after, changes):
    assert told(before, after) == changes


boxes = st.lists(
    st.builds(
        box,
        st.integers(0, 20),
        st.integers(0, 20),
        st.integers(1, 9),
        st.integers(1, 9),
        st.sampled_from("ab"),
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=50)
@given(boxes, boxes)
def test_the_books_of_objects_balance(before, after):
    pairs = changed_pairs(before, after)
    gone, come = ([pair[side] for pair in pairs if pair[side] is not None] for side in (0, 1))
    assert len(before) - len(gone) == len(after) - len(come)
    assert all(kinds_of(pair) for pair in pairs)
    assert all(
        a is None or b is None or box_iou(*(np.array([o.box]) for o in (a, b)))[0, 0] >= SAME
        for a, b in pairs
    )
    back = changed_pairs(after, before)
    assert sum(None in pair for pair in back) == sum(None in pair for pair in pairs)


@settings(deadline=None, max_examples=25)
@given(boxes.filter(bool), boxes.filter(bool))
def test_the_iou_of_boxes_is_that_of_their_pixels(these, those):
    drawn = [
        [masks.encode(masks.rasterized((((x, y, x + w, y, x + w, y + h, x, y + h),),), 40, 40)) for x, y, w, h in
         (one.bbox for one in side)]
        for side in (these, those)
    ]  # fmt: skip
    found = box_iou(*(np.array([one.bbox for one in side]) for side in (these, those)))
    assert np.allclose(found, masks.iou(*drawn))


def test_two_versions_of_objects_are_counted_and_drawn(make_pool, images):
    square, less = ({"size": [8, 8], "counts": [0, n, 64 - n]} for n in (32, 24))
    ids = [content_id(data) for data in images]
    before = version(
        make_pool, {ids[0]: [box(0, w=4, h=4)], ids[2]: [mask(square)], ids[4]: [box(4, w=2, h=2)]}
    )
    after = version(
        make_pool, {ids[0]: [box(1, w=4, h=4)], ids[2]: [mask(less)], ids[4]: [], ids[6]: [box(0, w=2, h=2)]}
    )
    found, table = objects_part(before, after)
    assert (found["a"], found["b"], found["images"]) == (3, 3, 3)
    assert {kind: n for kind, n in found["counts"].items() if n} == {
        "removed": 1,
        "re-boxed": 1,
        "re-outlined": 1,
    }
    assert found["median_iou"] == round((0.6 + 0.75) / 2, 4)
    drawn = overlays(table, ids)
    assert drawn[ids[0]] == {
        "size": [8, 8], "shapes": [("was", "M0 0h4v4h-4z"), ("now", "M1 0h4v4h-4z")], "said": "1 re-boxed"
    }  # fmt: skip
    assert drawn[ids[2]]["shapes"] == [("was", "M0 0L4 0L4 8L0 8z"), ("now", "M0 0L3 0L3 8L0 8z")]
    assert drawn[ids[4]]["shapes"][0][0] == "gone"
    assert objects_part(version(make_pool, {}), version(make_pool, {}))[0] == {}


def mask(rle) -> Annotation:
    return Annotation(category="cell", segmentation=rle)


def version(make_pool, notes):
    path = make_pool()
    batch = [Judgement(id=i, op="label", annotations=a, by="t", at="2026") for i, a in notes.items()]
    none = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
    return fold(Pool.open(path), [("0001-t", batch)], none, {"train": 0.6, "val": 0.2, "test": 0.2}, 0)
