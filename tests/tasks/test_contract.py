"""What every task promises, and what all that is statistical relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from assay import plugins, tasks
from assay.data.annotations import Annotation
from assay.data.images.placement import Placement, place
from assay.errors import ParamsError
from assay.experiments.predicted import Predicted
from assay.metrics.detected import Detected
from assay.metrics.judged import Judged, compare, measure
from assay.metrics.table import named
from assay.params import Train
from assay.training.inputs import Rows, outputs_of

CATEGORIES = ("2", "3", "5")  # names of classes that are counts as well: every task can be asked
TASKS = plugins.names("tasks")
CPU = torch.device("cpu")


class Flat(nn.Module):
    """A linear layer on the pixels."""

    def __init__(self, outputs: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(48, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.flatten(1))


class OneBox(Flat):
    """A detector whose box of each class is the whole image; only the scores are learnt."""

    def forward(self, images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        whole = torch.tensor([[0.0, 0.0, 4.0, 4.0]]).expand(3, 4)
        scores, labels = super().forward(images).sigmoid().sort(dim=1, descending=True)
        return [{"boxes": whole, "scores": s, "labels": c} for s, c in zip(scores, labels, strict=True)]

    def loss(self, images: torch.Tensor, targets: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        wanted = torch.cat([target["labels"] for target in targets])
        return nn.functional.cross_entropy(super().forward(images), wanted)


class Spread(Flat):
    """What a linear layer says of the image it says of each pixel of the left half."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = super().forward(images)[:, :, None, None].repeat(1, 1, *images.shape[2:])
        logits[:, 1:, :, 2:] -= 9
        return logits


class OneMask(OneBox):
    """Whose mask of each class is the whole image."""

    def forward(self, images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        return [found | {"masks": torch.ones(3, 2, 2)} for found in super().forward(images)]


PLACES = {
    "detection": {"bbox": (0, 0, 4, 4)},
    "multilabel": {},
    "instance_segmentation": {"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]},
    "semantic_segmentation": {"segmentation": [[0, 0, 2, 0, 2, 4, 0, 4]]},
}
"""Where an object is on its image, of the tasks whose labels are made of annotations."""
KINDS = {"detection": OneBox, "instance_segmentation": OneMask, "semantic_segmentation": Spread}


def model_of(name: str, seed: int) -> nn.Module:
    return KINDS.get(name, Flat)(tasks.load(name).outputs(CATEGORIES), seed)


def where(n: int) -> Placement:
    """Images of 4 × 4 px, as they are."""
    return place(np.full(n, 4), np.full(n, 4), (4, 4), "squeeze")


def drawn(name: str, n: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Categories of n images, and labels that say so."""
    categories = rng.choice(CATEGORIES, n).tolist()
    if (place := PLACES.get(name)) is None:
        return categories, categories
    notes = [[Annotation(category=one, **place)] for one in categories]
    return categories, [tasks.load(name).label(one) for one in notes]


def said(name: str, model: nn.Module, pixels: np.ndarray, batch: int) -> Any:
    inputs = Rows(pixels, np.arange(len(pixels)))
    return tasks.load(name).predict(outputs_of(model, inputs, batch, CPU), where(len(pixels)))


def predicted(name: str, n: int, seed: int = 0) -> tuple[pa.Table, list[str]]:
    """What a model says of n images, and their labels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    table = tasks.load(name).to_table(said(name, model_of(name, seed), pixels, 5), CATEGORIES)
    return table, drawn(name, n, rng)[1]


def judged(name: str, n: int, seed: int = 0) -> Judged:
    table, labels = predicted(name, n, seed)
    return plugins.load("metrics", name).judge(table, CATEGORIES, labels, CATEGORIES)


@pytest.mark.parametrize("name", TASKS)
def test_predictions_do_not_hang_on_the_batch_and_go_through_a_table(name):
    task, pixels = tasks.load(name), np.random.default_rng(1).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    model = model_of(name, 0)
    some, other = (task.to_table(said(name, model, pixels, b), CATEGORIES) for b in (2, 100))
    assert "predicted" in some.column_names
    assert some.schema.field("predicted").type == pa.string()
    for column in some.column_names:
        first, second = (table[column].to_pylist() for table in (some, other))
        if column in ("predicted", "masks"):
            assert first == second
        else:
            assert np.array(first) == pytest.approx(np.array(second), abs=1e-5)
    assert len(task.to_table(said(name, model, pixels[:0], 2), CATEGORIES)) == 0
    assert task.doubt(some) == pytest.approx(task.doubt(other), abs=1e-4)
    assert 0 <= task.doubt(some).min() <= task.doubt(some).max() <= 1


@pytest.mark.parametrize("name", TASKS)
def test_the_objective_falls_as_a_model_learns_and_scores_fall_with_it(name):
    task, rng = tasks.load(name), np.random.default_rng(0)
    categories, labels = drawn(name, 60, rng)
    wanted = task.targets(labels, CATEGORIES)
    pixels = np.repeat(np.array([int(one) * 20 for one in categories], np.uint8), 48).reshape(60, 4, 4, 3)
    model = model_of(name, 0)
    objective = task.objective(wanted, Train(model="cnn"))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    before = task.scores(said(name, model, pixels, 60), wanted)["loss"]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    batch = task.batch(wanted, np.arange(60), where(60), CPU)
    for _ in range(200):
        loss = objective(model, images, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert task.scores(said(name, model, pixels, 60), wanted)["loss"] < before


@pytest.mark.parametrize("name", TASKS)
def test_a_label_is_read_by_people_and_counted_by_class(name):
    task = tasks.load(name)
    for category, label in zip(*drawn(name, 5, np.random.default_rng(0)), strict=True):
        assert category in task.words(label)
        assert list(task.classes(label)) == [category]


@pytest.mark.parametrize("name", TASKS)
@settings(max_examples=30, deadline=None)
@given(weights=st.lists(st.integers(0, 3), min_size=12, max_size=12).filter(any))
def test_weights_are_how_often_a_sample_is_there(name, weights):
    """Metrics under whole weights are the metrics of that many copies: what bootstrap and attribution stand on."""
    one, copies = judged(name, 12), np.repeat(np.arange(12), weights)
    weighed = one.values(np.array([weights, [1] * 12], np.float32))
    repeated, plain = one.take(copies).values(), one.values()
    assert tuple(weighed) == one.METRICS
    for metric in one.METRICS:
        assert weighed[metric] == pytest.approx(
            [repeated[metric][0], plain[metric][0]], abs=1e-5, nan_ok=True
        )


@pytest.mark.parametrize("name", TASKS)
def test_what_is_judged_is_of_one_form(name):
    one = judged(name, 40)
    assert len(one) == len(one.quality) == len(one.words) == len(one.confidence) == 40
    assert one.quality.min() >= 0
    assert one.quality.max() <= 1
    assert one.content == judged(name, 40).content != judged(name, 40, seed=1).content
    rows = measure(one, 200, 0)
    for metric, row in rows.items():
        assert named(metric).name == metric
        assert row["low"] <= row["value"] <= row["high"]
        assert row["n"] == 40
    assert measure(one, 200, 0) == rows
    assert measure(one.take(np.arange(0)), 200, 0)[one.METRICS[0]]["n"] == 0


@pytest.mark.parametrize("name", TASKS)
def test_a_model_against_itself_and_against_another(name):
    table, labels = predicted(name, 40)
    other, _ = predicted(name, 40, seed=7)
    judge = plugins.load("metrics", name).judge
    a, b = (judge(t, CATEGORIES, labels, CATEGORIES) for t in (table, other))
    same, differ = compare(a, a, 200, 0)["difference"], compare(b, a, 200, 0)["difference"]
    assert {row["value"] for row in same.values()} == {0.0}
    for metric, row in differ.items():
        expected = b.values()[metric][0] - a.values()[metric][0]
        assert row["value"] == pytest.approx(expected, abs=1e-5)
        assert row["low"] <= row["value"] <= row["high"]


@pytest.mark.parametrize("name", TASKS)
def test_predictions_are_read_back_by_their_task(name):
    table, labels = predicted(name, 10)
    ids = [f"{k:02d}" for k in range(10)]
    columns = {"id": ids, "split": ["test"] * 5 + ["val"] * 5, "label": labels}
    kept = pa.table({**columns, **{column: table[column] for column in table.column_names}})
    found = Predicted(kept, CATEGORIES, name)
    assert list(found.on_test(CATEGORIES).ids) == ids[:5]
    own, wider = (
        found.on(pa.array(ids[::-1]), labels[::-1], names) for names in (CATEGORIES, [*CATEGORIES, "8"])
    )
    direct = plugins.load("metrics", name).judge(table, CATEGORIES, labels, CATEGORIES)
    assert wider.words == own.words == direct.words[::-1]


def test_a_count_is_boxes_or_a_number_that_was_typed():
    label = tasks.load("counting").label
    box = Annotation(category="cell", bbox=(0, 0, 2, 2))
    assert [label([]), label([box]), label([box, box])] == ["0", "1", "2"]
    assert [label([Annotation(category="7")]), label([Annotation(category="cat")])] == ["7", None]
    with pytest.raises(ParamsError, match="no counts: 'cat'"):
        tasks.load("counting").targets(["3", "cat"], [])


@pytest.mark.parametrize("name", TASKS)
def test_tasks_with_objects_are_judged_by_detections(name):
    assert tasks.has_objects(name) == isinstance(judged(name, 4), Detected)


@pytest.mark.parametrize("name", TASKS)
def test_what_people_are_told_to_do_is_what_the_task_learns_from(name):
    """A file of labels is accepted by `assay label` exactly where it is proposed."""
    assert ("assay label" in tasks.how_to_label(name)) == tasks.takes_tag(name, "3")
    assert ("ingest.sources" in tasks.how_to_label(name)) != tasks.takes_tag(name, "3")


def test_what_needs_classes_refuses_a_task_without_by_name():
    tasks.require_classes("classification", "assay simulate")
    with pytest.raises(
        ParamsError, match="assay simulate works with a probability of each class, which the task counting"
    ):
        tasks.require_classes("counting", "assay simulate")
