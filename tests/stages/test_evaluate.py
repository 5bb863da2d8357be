from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from PIL import Image

from assay.data.champion import Champion, write_champion
from assay.data.files import read_json, read_table, write_json, write_table
from assay.errors import GateError, MissingInput, ParamsError
from assay.layout import Layout
from assay.metrics.classification import METRICS
from assay.progress import silent
from assay.stages import embed, evaluate, train
from assay.training.predict import predict_ids
from tests.project import Project

PLOTS = {"confusion.csv", "confusion.png", "intervals.png", "calibration.png", "per_class.png", "errors.png"}


@pytest.fixture
def trained(learnable: Layout, make_params) -> Layout:
    train.run(make_params(train={"epochs": 5}), learnable, silent)
    return learnable


def written(layout: Layout) -> dict[str, bytes]:
    files = [layout.outputs / "metrics.json", layout.outputs / "predictions.parquet"]
    files += sorted((layout.outputs / "plots").iterdir())
    return {file.name: file.read_bytes() for file in files}


def test_metrics_predictions_and_plots_agree(trained: Layout, make_params) -> None:
    summary = evaluate.run(make_params(evaluate={"slices": ["camera"]}), trained, silent)
    metrics = read_json(trained.outputs / "metrics.json")
    assert metrics["primary"] == "accuracy"
    assert metrics["champion"] is None
    rows = read_table(trained.outputs / "predictions.parquet")
    assert rows["id"].to_pylist() == sorted(rows["id"].to_pylist())
    test = rows.filter(pc.equal(rows["split"], "test"))
    assert (len(test), len(rows)) == (24, 48)
    accuracy = np.mean(test["quality"].to_numpy())
    assert metrics["test"]["accuracy"]["value"] == pytest.approx(accuracy, abs=1e-6)
    assert summary["test"]["accuracy"]["n"] == 24
    probabilities = np.array(test["probabilities"].to_pylist())
    wanted = np.array([["across", "down", "plain"].index(label) for label in test["label"].to_pylist()])
    losses = -np.log(probabilities[np.arange(24), wanted])
    assert metrics["test"]["log_loss"]["value"] == pytest.approx(losses.mean(), abs=1e-5)
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert probabilities.max(1) == pytest.approx(test["confidence"].to_numpy())
    cameras = metrics["test"]["slices"]["camera"]
    assert sum(part["accuracy"]["n"] for part in cameras.values()) == 24
    assert set(metrics["test"]["per_class"]) == {"across", "down", "plain"}
    assert {file.name for file in (trained.outputs / "plots").iterdir()} == PLOTS
    lines = (trained.outputs / "plots" / "confusion.csv").read_text().splitlines()
    assert lines[0] == "actual,predicted"
    assert sum(len(set(line.split(","))) == 1 for line in lines[1:]) == sum(test["quality"].to_pylist())


def test_a_repeat_is_the_same_bytes(trained: Layout, make_params) -> None:
    evaluate.run(make_params(), trained, silent)
    first = written(trained)
    evaluate.run(make_params(), trained, silent)
    assert written(trained) == first


def test_few_test_images_are_said_to_be_few(trained: Layout, make_params) -> None:
    notes = evaluate.run(make_params(), trained, silent)["notes"]
    assert "24 labelled test images leave the accuracy uncertain by ±" in notes[0]


def test_no_test_label_is_a_gate(trained: Layout, make_params) -> None:
    file = trained.snapshot / "ruler.parquet"
    write_table(file, read_table(file).slice(0, 0))
    with pytest.raises(GateError, match="no test image has a label") as caught:
        evaluate.run(make_params(), trained, silent)
    assert "assay queue" in str(caught.value.hint)


def test_no_val_label_is_null_and_said(trained: Layout, make_params) -> None:
    file = trained.selection / "train.parquet"
    write_table(file, read_table(file).filter(pc.field("split") == "train"))
    summary = evaluate.run(make_params(), trained, silent)
    assert summary["val"]["accuracy"] == {"value": None, "low": None, "high": None, "n": 0}
    assert "val was not measured" in summary["notes"][-1]


def test_an_unknown_slice_lists_the_columns_there_are(trained: Layout, make_params) -> None:
    with pytest.raises(ParamsError, match="no test image has the metadata lens") as caught:
        evaluate.run(make_params(evaluate={"slices": ["lens"]}), trained, silent)
    assert caught.value.hint == "there is: camera"


def test_against_the_champion_it_is_paired(trained: Layout, make_params) -> None:
    Project(trained.root).promote()
    params = make_params(train={"epochs": 12})
    train.run(params, trained, silent)
    evaluate.run(params, trained, silent)
    against = read_json(trained.outputs / "metrics.json")["champion"]
    assert against["fingerprint"] == "f" * 64
    assert set(against["difference"]) == set(METRICS)
    row = against["difference"]["accuracy"]
    test = read_json(trained.outputs / "metrics.json")["test"]["accuracy"]["value"]
    assert row["value"] == pytest.approx(test - against["metrics"]["accuracy"]["value"], abs=2e-6)
    won, lost = (against["mcnemar"][key] for key in ("only_challenger", "only_champion"))
    assert (won - lost) / 24 == pytest.approx(row["value"], abs=1e-6)


def test_the_champion_is_not_compared_with_itself(trained: Layout, make_params) -> None:
    Project(trained.root).promote()
    shown = evaluate.run(make_params(), trained, silent)["champion"]
    against = read_json(trained.outputs / "metrics.json")["champion"]
    assert (against["itself"], against["difference"], shown["difference"]) == (True, {}, {})
    assert against["metrics"] == {
        name: read_json(trained.outputs / "metrics.json")["test"][name] for name in METRICS
    }


def test_a_champion_without_its_weights(trained: Layout, make_params) -> None:
    Project(trained.root).promote()
    held = read_json(trained.champion / "champion.json")["champion"]
    write_champion(trained.champion, Champion(**held | {"model_sha256": "another model's"}))
    shutil.rmtree(trained.champion / "model")
    with pytest.raises(MissingInput) as caught:
        evaluate.run(make_params(), trained, silent)
    assert "dvc pull data/champion/model.dvc" in str(caught.value.hint)


def test_a_champion_that_knows_fewer_classes_is_comparable(trained: Layout, make_params) -> None:
    Project(trained.root).promote()
    file = trained.selection / "train.parquet"
    table = read_table(file)
    about = {**table.schema.metadata, b"categories": json.dumps(["across", "down", "new", "plain"]).encode()}
    write_table(file, table.replace_schema_metadata(about))
    train.run(make_params(train={"epochs": 5}), trained, silent)
    evaluate.run(make_params(), trained, silent)
    assert read_json(trained.outputs / "metrics.json")["champion"]["difference"]["accuracy"]["n"] == 24


def test_a_model_on_another_encoder_than_todays_gets_its_own_embeddings(
    learnable: Layout, make_params
) -> None:
    params = make_params(train={"model": "probe", "options": {}, "lr": 0.05})
    embed.run(params, learnable, silent)
    train.run(params, learnable, silent)
    ids = read_table(learnable.snapshot / "ruler.parquet")["id"].to_pylist()
    stored = predict_ids(learnable.outputs / "model", ids, learnable, 10, silent)
    about = learnable.embeddings / "embeddings.json"
    write_json(about, read_json(about) | {"encoder": "efficientnet_lite0"})
    computed = predict_ids(learnable.outputs / "model", ids, learnable, 10, silent)
    now, then = (np.array(table["probabilities"].to_pylist()) for table, _ in (computed, stored))
    assert now == pytest.approx(then, abs=1e-5)


def test_plots_are_pictures(trained: Layout, make_params) -> None:
    evaluate.run(make_params(), trained, silent)
    for file in (trained.outputs / "plots").glob("*.png"):
        with Image.open(file) as image:
            assert min(image.size) > 100
            assert len(np.unique(np.asarray(image.convert("L")))) > 20


def test_no_mistakes_make_a_picture_too(tmp_path: Path) -> None:
    from assay.metrics.classification import Classified, per_class
    from assay.metrics.judged import measure
    from assay.reports.plots import draw_all, draw_classification

    judged = Classified(np.eye(40, dtype=np.float32)[np.arange(80) % 40], np.arange(80) % 40)
    names = [f'class "{k}", a long name' for k in range(40)]
    metrics = {
        "test": measure(judged, 100, 0) | {"slices": {}},
        "val": measure(judged.take(np.arange(0)), 100, 0),
    }
    draw_all(tmp_path, judged, metrics | {"champion": None}, [])
    draw_classification(tmp_path, judged, names, metrics, per_class(judged, names))
    assert {file.name for file in tmp_path.iterdir()} == PLOTS
    second = (tmp_path / "confusion.csv").read_text().splitlines()[1]
    assert second == '"class ""0"", a long name","class ""0"", a long name"'
