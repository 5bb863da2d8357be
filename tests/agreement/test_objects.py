"""Agreement and consensus of boxes and masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.agreement.merged import merged
from assay.agreement.objects import alpha_of_classes, clusters, overlaps, pairs
from assay.data.annotations import Annotation

SIZE = (100, 100)


def box(category: str, *bbox: float) -> Annotation:
    return Annotation(category=category, bbox=bbox)


def square(category: str, x: float, y: float, side: float) -> Annotation:
    ring = [x, y, x + side, y, x + side, y + side, x, y + side]
    return Annotation(category=category, segmentation=[[ring]])


def test_the_assignment_with_the_largest_sum_is_taken_and_not_the_nearest_first():
    a = [box("c", 0, 0, 10, 10), box("c", 2, 0, 10, 10)]
    b = [box("c", 2, 0, 10, 10), box("c", 4, 0, 10, 10)]
    (row,) = pairs({str(i): {"A": a, "B": b} for i in range(2)}, dict.fromkeys("01", SIZE))
    assert row["presence"]["value"] == 1.0  # nearest first would leave one of each without a partner
    assert row["overlap"]["value"] == pytest.approx(80 / 120, abs=1e-6)


def test_presence_overlap_and_classes_of_two_people():
    words = {
        "1": {"A": [box("x", 0, 0, 10, 10), box("y", 50, 50, 10, 10)], "B": [box("x", 0, 0, 10, 5)]},
        "2": {"A": [], "B": []},
        "3": {"A": [box("x", 0, 0, 10, 10)], "B": [box("y", 0, 0, 10, 10)]},
    }
    (row,) = pairs(words, dict.fromkeys(words, SIZE))
    assert row["presence"]["value"] == pytest.approx(4 / 5)
    assert row["overlap"]["value"] == pytest.approx(0.75)
    assert row["images"] == 3
    classes = alpha_of_classes(words, dict.fromkeys(words, SIZE))
    assert classes["n"] == 2
    assert classes["value"] == pytest.approx(0.0, abs=1e-6)  # x x, x y: D_o = 1/2, D_e = 1/2


def test_masks_are_compared_by_their_pixels():
    iou = overlaps([square("c", 0, 0, 20)], [square("c", 0, 0, 10), box("c", 0, 0, 20, 20)], SIZE)
    np.testing.assert_allclose(iou, [[0.25, 1.0]])


def test_majority_median_and_vote():
    said = {
        "A": [box("x", 0, 0, 10, 10), box("x", 70, 70, 9, 9)],
        "B": [box("x", 1, 0, 10, 10), box("y", 40, 40, 10, 10)],
        "C": [box("y", 2, 1, 10, 10), box("y", 40, 40, 10, 12)],
    }
    found, disputes = merged(said, SIZE)
    assert found == [box("x", 0.5, 0, 10, 10), box("y", 40, 40, 10, 11)]
    assert disputes == []


def test_half_of_the_people_and_half_of_the_votes_are_disputes():
    found, disputes = merged(
        {"A": [box("x", 0, 0, 10, 10), box("x", 50, 50, 9, 9)], "B": [box("y", 0, 0, 10, 10)]}, SIZE
    )
    assert [one.bbox for one in found] == [(0, 0, 10, 10)]
    assert disputes == ["x 1, y 1: no class has more than half of the votes", "x: annotated by 1 of 2"]


def test_masks_by_the_majority_of_pixels_and_tags_by_majority():
    said = {
        p: [square("c", at, 0, 20), Annotation(category="wet")] for p, at in (("A", 0), ("B", 1), ("C", 3))
    }
    said["C"] = said["C"][:1]
    mask, tag = merged(said, SIZE)[0]
    assert overlaps([mask], [square("c", 1, 0, 20)], SIZE).item() == 1.0
    assert tag == Annotation(category="wet")


def test_masks_without_a_common_pixel_have_the_one_nearest_to_the_others():
    chain = {
        p: [square(c, at, 0, 20)]
        for p, at, c in (("A", 0, "x"), ("B", 6, "y"), ("C", 12, "y"), ("D", 18, "z"))
    }
    (found,), disputes = merged({**chain, "E": [square("x", 24, 0, 20)]}, SIZE)
    assert found.category in ("x", "y")
    assert found.segmentation is not None
    assert disputes == ["x 2, y 2, z 1: no class has more than half of the votes"]


def test_an_outline_that_covers_no_pixel_counts_as_its_box():
    speck = Annotation(category="c", segmentation=[[[0.1, 0.1, 0.3, 0.1, 0.3, 0.3]]])
    (found,), _ = merged({"A": [speck], "B": [speck], "C": [box("c", 0.1, 0.1, 0.2, 0.2)]}, SIZE)
    assert found.bbox == pytest.approx((0.1, 0.1, 0.2, 0.2))


def test_attributes_that_most_have_stay():
    notes = [
        box("x", at, 0, 10, 10).model_copy(update={"attributes": {"side": side, "by": at}})
        for at, side in enumerate(("left", "left", "right"))
    ]
    (found,), _ = merged(dict(zip("ABC", ([one] for one in notes), strict=True)), SIZE)
    assert found.attributes == {"side": "left"}


boxes = st.builds(
    box, st.sampled_from("xy"), *[st.integers(0, 60).map(float)] * 2, *[st.integers(5, 40).map(float)] * 2
)


@settings(deadline=None, max_examples=60)
@given(st.lists(boxes, max_size=4), st.integers(1, 4))
def test_the_consensus_of_equal_annotations_is_them(notes, people):
    distinct = [one for at, one in enumerate(notes) if all(o.bbox != one.bbox for o in notes[:at])]
    found, disputes = merged(dict.fromkeys("ABCD"[:people], distinct), SIZE)
    assert sorted(map(repr, found)) == sorted(map(repr, distinct))
    assert disputes == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("ABC"), boxes), max_size=8))
def test_every_object_is_in_one_cluster_which_has_a_person_once(drawn):
    said = {p: [note for by, note in drawn if by == p] for p in "ABC"}
    found = clusters(said, SIZE)
    assert sorted(m.person + repr(m.note) for c in found for m in c) == sorted(p + repr(n) for p, n in drawn)
    assert all(len({m.person for m in c}) == len(c) for c in found)
