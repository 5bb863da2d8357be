"""Masks: what a label is, where pixels go and come back from, what is learnt of objects that touch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.data.images.placement import place
from assay.data.masks import encode
from assay.errors import ParamsError
from assay.metrics import instance_segmentation as metric
from assay.metrics.annotated import pixels_of
from assay.tasks import instance_segmentation as task

CPU = torch.device("cpu")
CATEGORIES = ("cat", "dog")
SIZE = np.array([30, 40])
AS_IT_IS = place(np.array([40]), np.array([30]), (30, 40), "squeeze")


def rectangle(x: int, y: int, w: int, h: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + h, x : x + w] = True
    return mask


def note(category: str, mask: np.ndarray, **more) -> Annotation:
    return Annotation(category=category, segmentation=encode(mask), **more)


def labelled(*notes: Annotation) -> str:
    found = task.label(notes)
    assert found is not None
    return found


def moved(*notes: Annotation, where=AS_IT_IS) -> dict[str, torch.Tensor]:
    return task.batch(task.targets([labelled(*notes)], CATEGORIES), np.array([0]), where, CPU)[0]


def found(boxes: list[list[float]], masks: np.ndarray) -> dict[str, torch.Tensor]:
    m = len(boxes)
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "scores": torch.linspace(0.9, 0.5, m),
        "labels": torch.zeros(m, dtype=torch.long),
        "masks": torch.from_numpy(np.asarray(masks, np.float32)),
    }


def test_a_label_is_the_outlines_in_one_order():
    one, other = (
        note("dog", rectangle(0, 0, 4, 4), bbox=(0, 0, 4, 4), attributes={"blurred": True}),
        note("cat", rectangle(5, 5, 3, 3)),
    )
    assert labelled(one, other) == labelled(other, one)
    assert [sorted(held) for held in json.loads(labelled(one, other))] == [["category", "segmentation"]] * 2
    assert task.label([]) == "[]"


def test_an_object_without_an_outline_leaves_its_image_unlabelled_and_a_crowd_does_not():
    one, box = note("dog", rectangle(0, 0, 4, 4)), Annotation(category="dog", bbox=(5, 5, 3, 3))
    assert task.label([one, box]) is None
    assert task.label([one, Annotation(category="dog")]) is None
    assert json.loads(labelled(one, box.model_copy(update={"iscrowd": True})))[0]["bbox"] == [5, 5, 3, 3]


def test_an_unknown_class_is_named():
    with pytest.raises(ParamsError, match="'emu'"):
        task.targets([labelled(note("emu", rectangle(0, 0, 1, 1)))], CATEGORIES)


def test_pixels_are_learnt_of_objects_that_touch_and_of_those_that_overlap():
    masks = [rectangle(2, 3, 5, 6), rectangle(7, 3, 5, 6), rectangle(4, 5, 6, 10)]
    there = moved(*(note("cat", mask) for mask in masks))
    assert {tuple(mask.nonzero()[0].tolist()) for mask in there["masks"]} == {(3, 2), (3, 7), (5, 4)}
    for mask, box in zip(there["masks"], there["boxes"], strict=True):
        assert any((mask.numpy() == one).all() for one in masks)
        x1, y1, x2, y2 = box.int().tolist()
        assert mask[y1:y2, x1:x2].sum() == mask.sum()


def test_what_is_hardly_in_view_and_a_crowd_count_neither_way():
    """Moved to the left by 10 px: of 20 columns 10 are left of the first, of 12 columns 2 of the second."""
    left = AS_IT_IS.then(np.array([[[1.0, 0, -10], [0, 1, 0]]]))
    there = moved(
        note("cat", rectangle(0, 0, 20, 5)),
        note("dog", rectangle(0, 10, 12, 5)),
        note("dog", rectangle(20, 20, 8, 8), iscrowd=True),
        note("dog", rectangle(0, 25, 9, 2)),
        where=left,
    )
    assert there["boxes"].tolist() == [[0, 0, 10, 5]]
    assert there["labels"].tolist() == [0]
    assert sorted(there["ignore"].tolist()) == [[0, 10, 2, 15], [10, 20, 18, 28]]


def test_nothing_is_learnt_and_found_too():
    there = moved()
    assert [there[name].shape for name in ("boxes", "labels", "ignore", "masks")] == [
        (0, 4), (0,), (0, 4), (0, 30, 40),
    ]  # fmt: skip
    said = task.predict([[found([], np.zeros((0, 7, 7)))]], AS_IT_IS)
    table = task.to_table(said, CATEGORIES)
    assert table.select(["masks", "height", "width"]).to_pylist() == [
        {"masks": [], "height": 30, "width": 40}
    ]


def test_a_mask_without_a_pixel_is_dropped():
    said = task.predict(
        [[found([[2, 2, 9, 9], [2.6, 2.6, 3.4, 3.4]], [np.zeros((7, 7)), np.ones((7, 7))])]], AS_IT_IS
    )
    assert len(said.objects.scores) == 0
    assert said.objects.offsets.tolist() == [0, 0]


@settings(max_examples=40, deadline=None)
@given(
    x=st.integers(0, 30),
    y=st.integers(0, 20),
    w=st.integers(1, 10),
    h=st.integers(1, 10),
    s=st.integers(1, 9),
)
def test_a_full_mask_is_the_pixels_whose_middles_are_in_its_box(x, y, w, h, s):
    made = task.pasted(
        np.ones((s, s), np.float32), np.array([x - 0.4, y + 0.4, x + w - 0.4, y + h + 0.4]), SIZE
    )
    assert made is not None
    assert (pixels_of(made) == rectangle(x, y, w, h)).all()


def test_a_grid_finer_than_the_pixels_brings_a_shape_back():
    rows, columns = np.mgrid[:30, :40]
    disc = (rows - 14) ** 2 + (columns - 20) ** 2 < 81
    x1, y1, x2, y2 = task.corners_of(disc[None])[0].astype(int).tolist()
    grid = disc[y1:y2, x1:x2].repeat(2, 0).repeat(2, 1).astype(np.float32)
    made = task.pasted(grid, np.array([x1, y1, x2, y2], float), SIZE)
    assert made is not None
    assert (pixels_of(made) == disc).all()


def test_a_letterboxed_image_comes_back_in_its_own_pixels():
    where = place(np.array([40]), np.array([30]), (80, 80), "letterbox")
    mask = rectangle(4, 6, 10, 8)
    there = moved(note("cat", mask), where=where)
    said = task.predict([[found(there["boxes"].tolist(), np.ones((1, 5, 5)))]], where)
    assert said.objects.boxes.tolist() == [[4, 6, 10, 8]]
    assert (pixels_of(said.objects.masks[0]) == mask).all()
    scores = task.scores(said, task.targets([labelled(note("cat", mask))], CATEGORIES))
    assert scores == pytest.approx({"loss": 0.0, "ap50": 1.0}, abs=1e-12)


def test_predictions_are_masks_for_their_metrics_and_marks_carry_them():
    """An object of 42 × 42 px of which 900 pixels are its own is small, as its mask is."""
    mask = np.zeros((50, 60), bool)
    mask[2:44, 2:14] = True
    mask[2:12, 2:44] = True
    assert mask.sum() < 32**2 < 42**2
    where = place(np.array([60]), np.array([50]), (50, 60), "squeeze")
    grid = mask[2:44, 2:44].astype(np.float32)
    said = task.predict([[found([[2, 2, 44, 44]], grid[None])]], where)
    judged = metric.judge(
        task.to_table(said, CATEGORIES), CATEGORIES, [labelled(note("cat", mask))], CATEGORIES
    )
    sizes = metric.details(judged)["sizes"]
    assert (sizes["small"]["value"], sizes["medium"]["value"]) == (1.0, None)
    marks = judged.objects_on(0)
    assert [mark.kind for mark in marks] == ["given", "right"]
    assert all((pixels_of(mark.mask) == mask).all() for mark in marks)


def test_doubt_and_the_objects_detected_are_those_of_detection():
    one = found([[2, 2, 9, 9], [10, 10, 19, 19]], np.ones((2, 3, 3)))
    table = task.to_table(task.predict([[one]], AS_IT_IS), CATEGORIES)
    assert task.objects(table, 2).scores == pytest.approx([0.9, 0.5])
    assert 0 < task.doubt(table)[0] < 1
