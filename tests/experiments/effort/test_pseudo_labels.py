"""What is learnt from less than the full annotation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.experiments.effort import pseudo_labels
from assay.experiments.effort.pseudo_labels import LabelledImage, typical_sizes
from assay.metrics.semantic_segmentation import true_pixels
from assay.tasks import semantic_segmentation

SIDE = 40
BOXES = st.lists(
    st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(2, 15), st.integers(2, 15)),
    min_size=1,
    max_size=4,
)


def boxes(*corners: tuple[float, ...]) -> list[Annotation]:
    return [Annotation(category="cell", bbox=box) for box in corners]


def labelled(grey: np.ndarray | None = None, objects: Sequence[Annotation] = ()) -> LabelledImage:
    return LabelledImage(
        SIDE, SIDE, lambda: np.zeros((SIDE, SIDE), np.uint8) if grey is None else grey, typical_sizes(objects)
    )


def seen(taught: list[Annotation]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the class, and those that count neither way."""
    classes, void = true_pixels(taught, {"cell": 0}, SIDE, SIDE)
    return classes.get(0, np.zeros((SIDE, SIDE), bool)), void


@given(BOXES)
def test_an_ellipse_lies_in_its_box_and_the_rest_of_the_box_counts_neither_way(corners):
    drawn = boxes(*corners)
    filled, _ = seen(pseudo_labels.filled(drawn, labelled()))
    ellipse, unsure = seen(pseudo_labels.ellipses(drawn, labelled()))
    assert not (ellipse & unsure).any()
    assert ((ellipse | unsure) == filled).all()


@pytest.mark.parametrize("object_is_bright", [True, False])
def test_otsu_finds_an_object_of_another_grey(object_is_bright):
    y, x = np.mgrid[:SIDE, :SIDE]
    disc = (x - 20) ** 2 + (y - 18) ** 2 <= 8**2
    grey = np.where(disc == object_is_bright, 200, 60).astype(np.uint8)
    found, unsure = seen(pseudo_labels.otsu(boxes((12.0, 10.0, 17.0, 17.0)), labelled(grey)))
    assert (found == disc).all()
    assert not unsure.any()


def test_otsu_of_one_grey_is_the_whole_box():
    drawn = boxes((3.0, 4.0, 5.0, 6.0))
    assert pseudo_labels.otsu(drawn, labelled()) == pseudo_labels.filled(drawn, labelled())
    assert seen(pseudo_labels.filled(drawn, labelled()))[0].sum() == 5 * 6


@given(st.lists(st.integers(0, 255), min_size=2, max_size=60))
def test_the_threshold_has_the_largest_variance_between_dark_and_bright(levels):
    grey = np.array(levels, np.uint8)

    def between(level: int) -> float:
        dark, bright = grey[grey <= level].astype(float), grey[grey > level].astype(float)
        return (
            len(dark) * len(bright) * (dark.mean() - bright.mean()) ** 2 if len(dark) and len(bright) else 0.0
        )

    found = between(pseudo_labels.otsu_threshold(grey))
    assert found == pytest.approx(max(map(between, range(256))))


def test_around_a_point_there_is_a_disc_of_the_typical_size():
    objects = boxes((5.0, 5.0, 10.0, 10.0), (20.0, 20.0, 14.0, 6.0), (1.0, 1.0, 10.0, 10.0))
    board = labelled(objects=objects)
    assert board.typical["cell"] == pseudo_labels.Typical(10.0, 10.0)
    disc, unsure = seen(pseudo_labels.discs(boxes((20.0, 20.0, 1.0, 1.0)), board))
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    away = np.hypot(x - 20.5, y - 20.5)
    assert disc[away < 0.9 * pseudo_labels.CORE * 5].all()
    assert (away[disc | unsure] < 1.1 * pseudo_labels.REACH * 5).all()
    assert not (disc & unsure).any()


def test_around_a_point_there_is_a_box_of_the_typical_size():
    board = labelled(objects=boxes((0.0, 0.0, 8.0, 4.0)))
    assert pseudo_labels.typical_boxes(boxes((20.0, 20.0, 1.0, 1.0)), board)[0].bbox == (16.5, 18.5, 8.0, 4.0)


def test_an_image_without_objects_teaches_that_there_are_none():
    rules = ("as_drawn", "filled", "ellipses", "discs", "otsu", "typical_boxes")
    assert [getattr(pseudo_labels, rule)([], labelled()) for rule in rules] == [[]] * 6


@given(BOXES)
def test_the_model_of_the_task_learns_what_is_taught(corners):
    """Every rule gives outlines, with crowd regions where it cannot tell: a label of semantic segmentation."""
    drawn = boxes(*corners)
    for rule in (pseudo_labels.filled, pseudo_labels.ellipses, pseudo_labels.otsu):
        taught = rule(drawn, labelled())
        (outlined,) = semantic_segmentation.targets([semantic_segmentation.label(taught)], ["cell"])
        numbers = outlined.numbers(SIDE, SIDE)
        classes, void = seen(taught)
        assert ((numbers == 1) == classes & ~void).all()
        assert ((numbers < 0) == void).all()
