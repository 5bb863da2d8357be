"""Corrections of single objects, one after another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.data.corrections import Correction, corrected
from assay.data.masks import encode
from assay.data.outlines import RLE

BOX, OTHER = (1.0, 2.0, 30.0, 40.0), (5.0, 2.0, 30.0, 40.0)
CAT = Annotation(category="cat", bbox=BOX)
OUTLINED = Annotation(category="cat", bbox=BOX, segmentation=[[1.0, 2.0, 31.0, 2.0, 31.0, 42.0]])


def test_an_object_is_added_removed_and_changed():
    assert corrected([CAT], [Correction(None, None, "dog", OTHER)]) == [
        CAT,
        Annotation(category="dog", bbox=OTHER),
    ]
    assert corrected([CAT], [Correction("cat", BOX, None, None)]) == []
    assert corrected([CAT], [Correction("cat", BOX, "dog", OTHER)]) == [
        Annotation(category="dog", bbox=OTHER)
    ]


def test_an_object_that_was_just_added_can_be_corrected():
    added = Correction(None, None, "dog", OTHER)
    assert corrected([CAT], [added, Correction("dog", OTHER, "cow", OTHER)])[1].category == "cow"
    assert corrected([], [added, Correction("dog", OTHER, None, None)]) == []


def test_a_second_correction_keeps_what_the_first_has_changed():
    first = Correction("cat", BOX, "cat", OTHER)
    second = Correction("cat", OTHER, "dog", OTHER)
    assert corrected([CAT], [first, second]) == [Annotation(category="dog", bbox=OTHER)]


def test_a_new_box_takes_the_outline_away_and_a_new_class_keeps_it():
    assert corrected([OUTLINED], [Correction("cat", BOX, "cat", OTHER)])[0].segmentation is None
    assert (
        corrected([OUTLINED], [Correction("cat", BOX, "dog", BOX)])[0].segmentation == OUTLINED.segmentation
    )


@pytest.mark.parametrize("one", [("dog", BOX), ("cat", OTHER)])
def test_an_object_that_is_not_there_is_named(one):
    with pytest.raises(LookupError, match=f"no {one[0]!r} with the box {one[1][0]:g}, 2, 30, 40 any more"):
        corrected([CAT], [Correction(*one, "cow", BOX)])
    with pytest.raises(LookupError):
        corrected([CAT], [Correction("cat", BOX, None, None), Correction("cat", BOX, "dog", BOX)])


@given(st.lists(st.sampled_from(["cat", "dog", "cow"]), min_size=1, max_size=6))
def test_a_chain_of_corrections_is_its_last_one(chain):
    steps = [Correction(before, BOX, after, BOX) for before, after in pairwise(chain)]
    added = Correction(None, None, chain[0], BOX)
    assert corrected([], [added, *steps]) == [Annotation(category=chain[-1], bbox=BOX)]


def drawn(*rows: str) -> RLE:
    return encode(np.array([[pixel == "x" for pixel in row] for row in rows]))


def test_outlines_are_taken_and_one_object_can_become_two():
    mask = Annotation(category="cat", segmentation=drawn("xxx", "..."))
    left, right = drawn("x..", "..."), drawn("..x", "...")
    parted = corrected([mask], [Correction("cat", mask.box, "cat", mask.box, (left, right))])
    assert [one.segmentation for one in parted] == [left, right]
    added = corrected([], [Correction(None, None, "cat", (0.0, 0.0, 1.0, 1.0), (left,))])
    assert added == [Annotation(category="cat", segmentation=left)]


def test_two_that_become_one_are_one():
    left, right = (Annotation(category="cat", segmentation=drawn(row)) for row in ("x..", ".xx"))
    joined = Correction("cat", left.box, "cat", (0.0, 0.0, 3.0, 1.0), (drawn("xxx"),), also=right.box)
    assert [one.segmentation for one in corrected([left, right], [joined])] == [drawn("xxx")]


def test_several_outlines_of_one_object_are_all_taken():
    mask = Annotation(category="sky", segmentation=drawn("xx.", "x.."))
    more, less = drawn("xxx", "x.."), drawn("xx.", "...")
    both = [Correction("sky", mask.box, "sky", mask.box, (one,)) for one in (more, less)]
    assert corrected([mask], both)[0].segmentation == drawn("xxx", "...")
    assert corrected([mask], both) == corrected([mask], both[::-1])
