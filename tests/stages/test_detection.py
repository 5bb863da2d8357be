"""A detector through the stages that know no task: bright squares and discs on grey, 64 px wide."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from assay import tasks
from assay.annotators import AnnotatorContext
from assay.annotators._predicted_objects import predicted_objects
from assay.data.annotations import Annotation
from assay.data.champion import Champion, sha256, write_champion
from assay.data.costs import objects_per_image
from assay.data.edits import Judgement
from assay.data.files import read_json, read_table
from assay.data.fold import fold
from assay.data.images.decode import ImageInfo
from assay.data.ledger import SentImage
from assay.data.pool import Pool, PoolWriter, content_id
from assay.data.snapshot import Snapshot
from assay.data.training_set import labelled as labelled_rows
from assay.errors import ParamsError
from assay.layout import Layout
from assay.metrics import object_counts
from assay.metrics.detection import judge
from assay.metrics.object_counts import calibrate
from assay.params import ObjectCost, Params, parse_params
from assay.progress import silent
from assay.stages import evaluate, select, train
from assay.tasks import detection
from assay.training.predict import predict_ids
from tests.stages.conftest import write_embeddings

IMAGES, UNLABELLED = 24, 4
WIDTH, HEIGHT = 64, 48
NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})


def scene(rng: np.random.Generator) -> tuple[bytes, list[Annotation]]:
    """A PNG of up to two objects, and where they are."""
    pixels = Image.fromarray(rng.integers(60, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    draw, notes = ImageDraw.Draw(pixels), []
    for side in range(int(rng.integers(0, 3))):
        x, y, size = 32 * side + int(rng.integers(0, 8)), int(rng.integers(2, 20)), int(rng.integers(16, 24))
        kind = "square" if rng.random() < 0.5 else "disc"
        shape = draw.rectangle if kind == "square" else draw.ellipse
        shape([x, y, x + size, y + size], fill=(250, 240, 200))
        notes.append(Annotation(category=kind, bbox=(x, y, size + 1, size + 1)))
    stream = io.BytesIO()
    pixels.save(stream, "PNG")
    return stream.getvalue(), notes


@pytest.fixture(scope="module")
def params() -> Params:
    return parse_params(
        {
            "task": "detection",
            "ingest": {"sources": [{"name": "shapes", "format": "demo"}]},
            "select": {"strategy": "uncertainty", "budget": 3, "ruler_halfwidth": 0.49},
            "train": {"model": "lite0_detector", "options": {"width": 16}, "epochs": 2, "batch": 4, "lr": 0.002,
                      "augment": "flips", "threads": 1},
            "evaluate": {"bootstrap": 100, "batch": 8},
            "track": {"primary": "ap50"},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Layout:
    """Selected, trained and evaluated once."""
    layout, rng = Layout(tmp_path_factory.mktemp("shapes")), np.random.default_rng(0)
    judgements = []
    with PoolWriter(layout.pool, 1000, 1 << 24) as writer:
        for n in range(IMAGES + UNLABELLED):
            data, notes = scene(rng)
            sample = content_id(data)
            split = "train" if n >= IMAGES else ("train", "train", "val", "test")[n % 4]
            writer.add(sample, data, ImageInfo(WIDTH, HEIGHT, "RGB", "PNG"))
            writer.add_row("imports", (sample, "s", f"{n}.png", None, split, None, None, "{}", False))
            if n < IMAGES:
                judgements.append(
                    Judgement(id=sample, op="label", annotations=notes, by="t", at="2026-01-01")
                )
    batches = [("0001-t", judgements)]
    snapshot = fold(Pool.open(layout.pool), batches, NO_PAIRS, {"train": 0.6, "val": 0.2, "test": 0.2}, 0)
    layout.snapshot.mkdir(parents=True)
    snapshot.write(layout.snapshot, detection.label)
    cold = params.model_copy(update={"select": params.select.model_copy(update={"strategy": "random"})})
    select.run(cold, layout, silent)
    train.run(params, layout, silent)
    evaluate.run(params, layout, silent)
    return layout


def test_the_test_set_carries_boxes_and_counts_are_by_class(shapes):
    labels = read_table(shapes.snapshot / "ruler.parquet")["label"].to_pylist()
    assert len(labels) == IMAGES // 4
    assert {name for label in labels for name in detection.classes(label)} <= {"disc", "square"}
    counts = read_json(shapes.selection / "selection.json")["counts"]
    assert set(counts["train"]) == {"disc", "square"}


def test_images_keep_their_shape(shapes):
    inputs = read_json(shapes.outputs / "model" / "model.json")["inputs"]
    assert (inputs["fit"], inputs["canvas"], inputs["image_size"]) == ("letterbox", [64, 64], 64)


def test_predictions_are_boxes_in_pixels_of_the_image(shapes):
    rows = read_table(shapes.outputs / "predictions.parquet").to_pylist()
    assert {row["split"] for row in rows} == {"val", "test"}
    boxes = np.array([box for row in rows for box in row["boxes"]])
    assert (boxes >= 0).all()
    assert ((boxes[:, :2] + boxes[:, 2:]) <= [WIDTH + 1e-3, HEIGHT + 1e-3]).all()
    metrics = read_json(shapes.outputs / "metrics.json")
    assert set(metrics["test"]) >= {"ap", "ap50", "f1", "per_class"}
    assert {file.name for file in (shapes.outputs / "plots").iterdir()} >= {
        "errors.png",
        "curves.png",
        "per_class.png",
    }


def test_the_champion_asks_for_what_it_doubts(shapes, params):
    model = shapes.outputs / "model"
    shutil.copytree(model, shapes.champion / "model")
    champion = Champion(
        fingerprint="f" * 64, model_sha256=sha256(model / "model.pt"), snapshot="s", params={}, metrics={},
        promoted_by="t", promoted_at="2026-01-01",
    )  # fmt: skip
    write_champion(shapes.champion, champion)
    summary = select.run(params, shapes, silent)
    queue = read_table(shapes.selection / "queue.parquet").to_pylist()
    assert (summary["used"], len(queue)) == ("uncertainty", 3)
    assert [row["score"] for row in queue] == sorted((row["score"] for row in queue), reverse=True)
    assert all(row["predicted"] and row["confidence"] is None for row in queue)


def test_a_crowded_image_costs_more_and_a_task_without_objects_is_refused(shapes, params, monkeypatch):
    """Behind the test that promotes: with the champion's predictions, calibrated on six val images."""
    monkeypatch.setattr(object_counts, "LEAST", 3)
    price = ObjectCost(image=10, object=100)
    asked = params.select.model_copy(update={"strategy": "random", "cost": price, "budget": 700})
    summary = select.run(params.model_copy(update={"select": asked}), shapes, silent)
    ids = read_table(shapes.selection / "queue.parquet")["id"].to_pylist()
    expected = 10 + 100 * calibrated(shapes, ids).sum(1)
    assert len(ids) >= 1
    assert summary["cost"] == pytest.approx(expected.sum(), rel=1e-3)
    assert summary["objects_per_expected"]["n"] == IMAGES // 4
    assert summary["cost"] <= 700
    mean = objects_per_image(Snapshot.load(shapes.snapshot))
    assert 0.5 < mean < 1.5, "up to two of the scene"
    with pytest.raises(ParamsError, match="the task classification does not predict") as caught:
        tasks.require_objects("classification", "select.cost")
    assert "detection" in str(caught.value.hint)
    with pytest.raises(ParamsError, match="or the number of objects, which the task multilabel") as caught:
        tasks.require_classes("multilabel", "select.balance", or_objects=True)
    assert "classification, detection, instance_segmentation" in str(caught.value.hint)


def calibrated(shapes, ids):
    """(n, classes) objects expected on images, by the labelled val images."""
    val = [row for row in labelled_rows(Snapshot.load(shapes.snapshot), detection.label).to_pylist()
           if row["split"] == "val"]  # fmt: skip
    seen, new = (
        predict_ids(shapes.outputs / "model", some, shapes, 8, silent)[0]
        for some in ([row["id"] for row in val], ids)
    )
    classes = ("disc", "square")
    judged = judge(seen, classes, [row["label"] for row in val], classes)
    return calibrate(judged).of(detection.objects(new, 2))


@pytest.mark.parametrize("champion", [True, False])
def test_objects_of_classes_are_balanced(shapes, params, monkeypatch, champion):
    """Behind the test that promotes: labelled images have their objects, the others those that the champion expects."""
    monkeypatch.setattr(object_counts, "LEAST", 3)
    pools, batch = [], select.batch
    monkeypatch.setattr(
        select, "batch", lambda *given, **asked: pools.append(given[1]) or batch(*given, **asked)
    )
    if not champion:
        monkeypatch.setattr(select, "read_champion", lambda _: None)
        everywhere = dict.fromkeys(Pool.open(shapes.pool).ids, "plain")
        write_embeddings(shapes, everywhere, np.random.default_rng(0))
    asked = params.select.model_copy(update={"strategy": "random", "balance": True, "budget": 3})
    select.run(params.model_copy(update={"select": asked}), shapes, silent)
    assert len(read_table(shapes.selection / "queue.parquet")) == 3
    objects, labelled = pools[0].objects, pools[0].labelled
    rows = labelled_rows(Snapshot.load(shapes.snapshot), detection.label).to_pylist()
    there = Counter(
        one["category"] for row in rows if row["split"] == "train" for one in json.loads(row["label"])
    )
    assert objects[labelled].sum(0).tolist() == [there["disc"], there["square"]]
    if not champion:
        assert np.isnan(objects[~labelled]).all()
        return
    ids = sorted(Pool.open(shapes.pool).ids[-UNLABELLED:])
    assert objects[~labelled] == pytest.approx(calibrated(shapes, ids), abs=1e-3)


def test_people_begin_with_the_objects_of_the_champion_but_for_the_test_set(shapes, params):
    """Behind the test that promotes."""
    ids = Pool.open(shapes.pool).ids[-UNLABELLED:]
    rows = [SentImage(id=sample, strategy="uncertainty") for sample in ids[1:]]
    context = AnnotatorContext(shapes, params)
    found = predicted_objects([SentImage(id=ids[0], strategy="ruler"), *rows], context)
    assert list(found) == ids[1:]
    said, categories = predict_ids(shapes.champion / "model", ids[1:], shapes, 8, silent)
    for sample, row in zip(ids[1:], said.to_pylist(), strict=True):
        notes, expected = found[sample]
        count, f1 = detection.best_size(np.array(row["scores"], np.float32))
        assert (len(notes), expected) == (count, f1)
        assert [list(note.bbox) for note in notes] == row["boxes"][:count]
        assert {note.category for note in notes} <= set(categories)
    other = AnnotatorContext(shapes, params.model_copy(update={"task": "counting"}))
    assert predicted_objects(rows, other) == {}, "a champion of another task"


def test_strategies_of_classes_are_refused_by_name(shapes, params):
    margin = params.model_copy(update={"select": params.select.model_copy(update={"strategy": "margin"})})
    with pytest.raises(ParamsError, match="strategy margin works with a probability of each class"):
        select.run(margin, shapes, silent)
