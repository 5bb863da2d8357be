"""Pixels with a class: what a label is, where pixels go, what a model says of itself."""

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
from assay.metrics import semantic_segmentation as metric
from assay.params import Train
from assay.tasks import semantic_segmentation as task
from assay.training.augmentation import RECIPES, Recipe, augment

CPU = torch.device("cpu")
CATEGORIES = ("cat", "dog")
SETTINGS = Train(model="lite0_segmenter")


def note(category: str, x: int, y: int, w: int, h: int, **more) -> Annotation:
    ring = [x, y, x + w, y, x + w, y + h, x, y + h]
    return Annotation(category=category, segmentation=[ring], **more)


def labelled(*notes: Annotation) -> str:
    found = task.label(notes)
    assert found is not None
    return found


def drawn(numbers: np.ndarray) -> str:
    """The label of a map: 0 background, k + 1 class k."""
    outlines = ((CATEGORIES[k - 1], encode(numbers == k)) for k in np.unique(numbers) if k)
    return labelled(*(Annotation(category=name, segmentation=rle) for name, rle in outlines))


def sure(numbers: torch.Tensor, classes: int = 3, by: float = 20.0) -> torch.Tensor:
    """Logits (n, classes, h, w) of a model that says these numbers (n, h, w)."""
    return by * torch.nn.functional.one_hot(numbers.clamp(min=0), classes).permute(0, 3, 1, 2).float()


def loss_of(logits: torch.Tensor, wanted: torch.Tensor, settings: Train = SETTINGS) -> float:
    return float(task.objective([], settings)(lambda _: logits, logits, wanted))


def test_a_label_is_the_outlines_in_one_order_and_nothing_is_a_label_too():
    one, other = note("dog", 0, 0, 4, 4), note("cat", 1, 1, 2, 2)
    assert labelled(one, other) == labelled(other, one)
    assert task.label([]) == "[]"
    assert task.label([one, Annotation(category="cat")]) is None
    assert task.label([one, Annotation(category="cat", bbox=(0, 0, 1, 1))]) is None
    crowd = Annotation(category="cat", bbox=(0, 0, 1, 1), iscrowd=True)
    numbers = task.targets([labelled(one, crowd)], CATEGORIES)[0].numbers(6, 6)
    assert (numbers[0, 0], numbers[1, 1], numbers[5, 5]) == (metric.VOID, 2, 0)
    boxed = one.model_copy(update={"bbox": (0, 0, 4, 4), "attributes": {"by": "Ann"}})
    assert labelled(boxed) == labelled(one)


def test_people_read_areas_and_classes_are_counted_once_without_crowds():
    notes = note("dog", 0, 0, 40, 40), note("dog", 50, 5, 1, 1), note("cat", 1, 1, 9, 9, iscrowd=True)
    label = labelled(*notes)
    assert task.words(label) == "dog 1,601 px"
    assert task.classes(label) == ["dog"]
    assert (task.words("[]"), task.classes("[]")) == ("nothing", [])


def test_an_unknown_class_is_named():
    with pytest.raises(ParamsError, match="'emu'"):
        task.targets([labelled(note("emu", 0, 0, 1, 1))], CATEGORIES)


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(ParamsError, match="class_weights"):
        task.objective([], Train(model="lite0_segmenter", class_weights="balanced"))


def test_small_classes_lie_in_front_and_crowds_before_all():
    there = labelled(note("cat", 2, 2, 3, 3), note("dog", 0, 0, 8, 8), note("dog", 7, 0, 1, 8, iscrowd=True))
    numbers = task.targets([there], CATEGORIES)[0].numbers(8, 10)
    assert (numbers[2:5, 2:5] == 1).all()
    assert (numbers[:, 7] == metric.VOID).all()
    assert (numbers[:, 8:] == 0).all()
    assert [(numbers == k).sum() for k in (1, 2)] == [9, 8 * 7 - 9]


def test_pixels_move_with_the_image_and_count_neither_way_where_there_is_none():
    """An image of 100 × 50 px in a letterbox of 50 × 50, moved to the left by 20 px."""
    wanted = task.targets([labelled(note("dog", 60, 10, 20, 20))], CATEGORIES)
    left = np.array([[[1.0, 0, -20], [0, 1, 0]]])
    where = place(np.array([100]), np.array([50]), (50, 50), "letterbox").then(left)
    made = task.batch(wanted, np.array([0]), where, CPU)[0]
    assert made.dtype == torch.int64
    assert (made[17:27, 10:20] == 2).all()
    assert (made == 2).sum() == 100
    void = made == metric.VOID
    assert void[:12].all()
    assert void[38:].all()
    assert void[:, 30:].all()
    assert not void[12:37, :30].any()


@pytest.mark.parametrize("name", ["light", "flips", "strong"])
def test_pixels_go_where_the_pixels_of_the_image_go(name):
    """What augmentation does to an image that shows its own mask: they differ along the border at most."""
    numbers = np.zeros((48, 64), np.int16)
    numbers[10:30, 20:50] = 2
    where = place(np.full(8, 64), np.full(8, 48), (48, 64), "squeeze")
    recipe = RECIPES[name]
    images = torch.from_numpy(np.tile(numbers == 2, (8, 1, 1, 1))).float()
    moving = Recipe(recipe.shift, recipe.angle, recipe.scale, recipe.flip)
    moved, affine = augment(images, moving, torch.Generator().manual_seed(0))
    wanted = task.batch(task.targets([drawn(numbers)], CATEGORIES) * 8, np.arange(8), where.then(affine), CPU)
    inside = wanted != metric.VOID
    differ = ((moved[:, 0] > 0.5) != (wanted == 2)) & inside
    assert differ.sum() <= 8 * 3
    assert len(torch.unique(wanted.flatten(1), dim=0)) == 8


@settings(deadline=None, max_examples=40)
@given(st.integers(8, 120), st.integers(8, 120), st.integers(0, 2**16))
def test_a_model_that_says_what_is_there_is_perfect_through_the_table(width, height, seed):
    rng = np.random.default_rng(seed)
    numbers = np.kron(rng.integers(0, 3, (2, 3)), np.ones((60, 40), int))[:height, :width]
    labels = [drawn(numbers)]
    where = place(np.array([width]), np.array([height]), (128, 160), "letterbox")
    wanted = task.targets(labels, CATEGORIES)
    said = task.predict([sure(task.batch(wanted, np.array([0]), where, CPU))], where)
    table = task.to_table(said, CATEGORIES)
    judged = metric.judge(table, CATEGORIES, labels, CATEGORIES)
    assert judged.quality[0] > 0.9
    assert table["predicted"].to_pylist()[0].split()[0] == task.words(labels[0]).split()[0]
    if numbers.any():
        values = judged.values()
        assert task.scores(said, wanted)["dice"] == pytest.approx(values["dice"][0], abs=1e-9)


def test_the_loss_is_zero_for_what_is_there_and_void_costs_nothing():
    wanted = torch.zeros(2, 6, 6, dtype=torch.int64)
    wanted[0, :3], wanted[1, 2:4] = 1, 2
    assert loss_of(sure(wanted), wanted) == pytest.approx(0, abs=1e-5)
    wrong = wanted.clone()
    wrong[0, :3, :2] = 2
    assert loss_of(sure(wrong), wanted) > 1
    hidden = wanted.clone()
    hidden[0, :3, :2] = metric.VOID
    assert loss_of(sure(wrong), hidden) == pytest.approx(0, abs=1e-5)
    nothing = torch.full_like(wanted, metric.VOID)
    assert loss_of(sure(wanted), nothing) == 0


def test_the_loss_is_cross_entropy_and_dice():
    torch.manual_seed(0)
    logits, wanted = torch.randn(2, 3, 5, 7), torch.randint(0, 2, (2, 5, 7))
    p = logits.softmax(1)[:, 1]
    dice = 2 * (p * (wanted == 1)).sum() / (p.sum() + (wanted == 1).sum())
    expected = torch.nn.functional.cross_entropy(logits, wanted) + 1 - dice
    assert loss_of(logits, wanted) == pytest.approx(float(expected), rel=1e-5)
    smooth = Train(model="lite0_segmenter", label_smoothing=0.1)
    assert loss_of(logits, wanted, smooth) == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, wanted, label_smoothing=0.1) + 1 - dice), rel=1e-5
    )


def said(*probabilities: list[list[float]]) -> list[task.FoundRegions]:
    """Of images of 1 × w px with one class: the probability of each pixel."""
    where = place(
        np.array([len(p[0]) for p in probabilities]), np.full(len(probabilities), 1), (1, 4), "squeeze"
    )
    maps = [torch.tensor(p) for p in probabilities]
    return task.predict([torch.stack([(1 - p).log(), p.log()])[None] for p in maps], where)


def test_an_image_is_doubted_by_the_iou_that_its_probabilities_promise():
    found = said(
        [[0.9, 0.9, 0.1, 0.1]], [[0.1, 0.3, 0.0, 0.0]], [[1.0, 1.0, 0.0, 0.0]], [[0.6, 0.6, 0.4, 0.4]]
    )
    doubts = task.doubt(task.to_table(found, CATEGORIES[:1]))
    assert doubts == pytest.approx([1 - 1.8 / (2 + 0.2), 0.3, 0, 1 - 1.2 / 2.8], abs=1e-6)


def test_what_is_found_is_read_as_areas():
    found = said([[0.9, 0.9, 0.1, 0.1]], [[0.1, 0.3, 0.0, 0.0]])
    table = task.to_table(found, CATEGORIES[:1])
    assert table["predicted"].to_pylist() == ["cat 2 px", "nothing"]
    assert json.dumps(table["classes"].to_pylist()) == "[[0], []]"


def test_scores_leave_crowds_out():
    there = labelled(note("cat", 0, 0, 4, 2), note("cat", 0, 2, 4, 2, iscrowd=True))
    numbers = torch.zeros(1, 4, 4, dtype=torch.int64)
    numbers[:, :3] = 1
    where = place(np.array([4]), np.array([4]), (4, 4), "squeeze")
    found = task.predict([sure(numbers, 2)], where)
    assert task.scores(found, task.targets([there], CATEGORIES[:1])) == {"loss": 0, "dice": 1}
    assert task.scores(found, task.targets(["[]"], CATEGORIES[:1])) == {"loss": 1, "dice": 0}
