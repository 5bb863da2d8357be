"""Boxes: what a label is, where objects go, what a model says of itself."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.annotations import Annotation
from assay.data.images.placement import place
from assay.errors import ParamsError
from assay.metrics import detection as metric
from assay.params import Train
from assay.tasks import detection as task

CPU = torch.device("cpu")
CATEGORIES = ("cat", "dog")


def note(category: str, *box: float, **more) -> Annotation:
    return Annotation(category=category, bbox=box, **more)


def labelled(*notes: Annotation) -> str:
    found = task.label(notes)
    assert found is not None
    return found


def found(*rows: tuple[float, float, float, float, float, int]) -> dict[str, torch.Tensor]:
    """Corners, score, class."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    return {"boxes": table[:, :4].float(), "scores": table[:, 4].float(), "labels": table[:, 5].long()}


def test_a_label_is_the_boxes_in_one_order_and_nothing_is_a_label_too():
    one, other = note("dog", 0, 0, 4, 4), note("cat", 1, 1, 2, 2)
    assert labelled(one, other) == labelled(other, one)
    assert task.label([]) == "[]"
    assert task.label([one, Annotation(category="cat")]) is None
    outlined = Annotation(category="cat", segmentation=[[1, 1, 5, 1, 5, 3]])
    assert json.loads(labelled(outlined)) == [{"bbox": [1, 1, 4, 2], "category": "cat"}]


def test_people_read_counts_and_classes_are_counted_once():
    label = labelled(note("dog", 0, 0, 4, 4), note("cat", 1, 1, 2, 2), note("dog", 5, 5, 1, 1))
    assert task.words(label) == "1 cat, 2 dog"
    assert task.classes(label) == ["cat", "dog"]
    assert (task.words("[]"), task.classes("[]")) == ("nothing", [])


def test_an_unknown_class_is_named():
    with pytest.raises(ParamsError, match="'emu'"):
        task.targets([labelled(note("emu", 0, 0, 1, 1))], CATEGORIES)


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(ParamsError, match="label_smoothing"):
        task.objective([], Train(model="lite0_detector", label_smoothing=0.1))


def test_objects_move_with_the_image_and_what_is_hardly_in_view_counts_neither_way():
    """An image of 100 × 50 px in a letterbox of 50 × 50, moved to the left by 20 px."""
    wanted = task.targets(
        [
            labelled(
                note("dog", 60, 10, 20, 20),
                note("cat", 22, 10, 20, 20),
                note("cat", 0, 0, 100, 50, iscrowd=True),
            )
        ],
        CATEGORIES,
    )
    left = np.array([[[1.0, 0, -20], [0, 1, 0]]])
    where = place(np.array([100]), np.array([50]), (50, 50), "letterbox").then(left)
    (made,) = task.batch(wanted, np.array([0]), where, CPU)
    assert made["boxes"].tolist() == [[10, 17, 20, 27]]
    assert made["labels"].tolist() == [1]
    assert made["ignore"].tolist() == [[0, 12, 30, 37], [0, 17, 1, 27]]


@settings(deadline=None, max_examples=40)
@given(st.integers(20, 400), st.integers(20, 400), st.integers(0, 5), st.integers(0, 2**16))
def test_a_model_that_finds_what_is_there_is_perfect_through_the_table(width, height, count, seed):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(0, [width, height], (count, 2, 2)), axis=1).reshape(-1, 4)
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 1)
    notes = [note(CATEGORIES[k % 2], x, y, u - x, v - y) for k, (x, y, u, v) in enumerate(corners.tolist())]
    labels = [labelled(*notes)]
    where = place(np.array([width + 2]), np.array([height + 2]), (64, 96), "letterbox")
    wanted = task.targets(labels, CATEGORIES)
    (seen,) = task.batch(wanted, np.array([0]), where, CPU)
    rows = torch.cat([seen["boxes"], torch.full((count, 1), 0.9), seen["labels"][:, None].float()], 1)
    said = task.predict([[found(*rows.tolist())]], where)
    judged = metric.judge(task.to_table(said, CATEGORIES), CATEGORIES, labels, CATEGORIES)
    assert judged.quality.tolist() == pytest.approx([1.0])
    assert task.scores(said, wanted)["ap50"] == pytest.approx(1.0 if count else 0.0)


def scored(*images: list[float]) -> pa.Table:
    where = place(np.full(len(images), 9), np.full(len(images), 9), (9, 9), "squeeze")
    boxes = [found(*((0, 0, 1 + k, 5, score, 0) for k, score in enumerate(one))) for one in images]
    return task.to_table(task.predict([boxes], where), CATEGORIES)


def test_an_image_is_doubted_by_the_f1_that_its_scores_promise():
    doubts = task.doubt(scored([], [1.0, 1.0], [0.5], [0.5] * 20, [0.9, 0.9, 0.1], [0.01])).tolist()
    assert doubts[:2] == [0, 0]
    assert doubts[2] == pytest.approx(1 - 2 * 0.5 / 1.5)
    assert doubts[3] == pytest.approx(1 - 20 / 30)
    assert doubts[4] == pytest.approx(1 - 3.6 / 3.9)
    assert doubts[5] == pytest.approx(0.01)


def test_what_is_shown_are_the_objects_that_make_that_f1():
    assert scored([], [0.9, 0.8, 0.02])["predicted"].to_pylist() == ["nothing", "2 cat"]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_the_expected_f1_is_one_of_a_probability(scores):
    size, f1 = task.best_size(np.sort(np.array(scores, np.float32))[::-1])
    assert 0 <= size <= len(scores)
    assert 0 <= f1 <= 1 + 1e-9
