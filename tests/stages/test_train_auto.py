"""`auto`: what a model is fed with follows from the model and its training images, and is kept with the model."""

from __future__ import annotations

import pyarrow as pa
import pytest

from assay.data.files import read_json, read_table
from assay.layout import Layout
from assay.models import Pictures, cnn, torchvision
from assay.progress import silent
from assay.stages import train
from assay.training.build import training_pictures
from assay.training.predict import predict_ids

AUTO = {"image_size": "auto", "color": "auto"}
PHOTOGRAPHS = Pictures(532, "rgb")
DIGITS = Pictures(28, "gray")


def index(*rows: tuple[int, int, str]) -> pa.Table:
    """The columns of a pool's index that count; ids are `0`, `1` …"""
    ids = [str(n) for n in range(len(rows))]
    width, height, mode = map(list, zip(*rows, strict=True))
    return pa.table({"id": ids, "width": width, "height": height, "mode": mode})


def of(*rows: tuple[int, int, str]) -> Pictures:
    table = index(*rows)
    return training_pictures(table, table["id"])


def inputs(layout: Layout) -> dict[str, object]:
    return read_json(layout.outputs / "model" / "model.json")["inputs"]


def test_the_images_own_size_is_the_median_of_the_longer_sides():
    assert of((20, 28, "L"), (28, 20, "L")) == DIGITS
    assert of((400, 533, "RGB"), (90, 30, "RGB"), (9000, 10, "RGB")).size == 532
    assert of((1, 1, "L")).size == 4


@pytest.mark.parametrize("size", [27, 29])
def test_a_few_other_images_change_no_size(size):
    assert of(*[(28, 28, "L")] * 3, *[(size, size, "L")] * 4).size == 28


def test_one_coloured_image_makes_it_coloured():
    assert of((8, 8, "1"), (8, 8, "I;16"), (8, 8, "LA")).color == "gray"
    assert of((8, 8, "L"), (8, 8, "P")).color == "rgb"


def test_images_that_are_not_learnt_from_have_no_say():
    table = index((28, 28, "L"), (400, 400, "RGB"))
    assert training_pictures(table, pa.chunked_array([["0"]])) == DIGITS


def test_each_model_says_what_suits_it():
    assert cnn.suited({}, DIGITS) == DIGITS
    assert cnn.suited({}, PHOTOGRAPHS) == Pictures(64, "rgb")
    assert torchvision.suited({"name": "resnet18"}, DIGITS) == Pictures(224, "rgb")
    assert torchvision.suited({"name": "inception_v3"}, DIGITS).size == 299
    assert torchvision.suited({"name": "vit_h_14"}, PHOTOGRAPHS).size == 224
    assert torchvision.suited({"name": "vit_h_14", "weights": "DEFAULT"}, PHOTOGRAPHS).size == 518


def test_every_network_of_torchvision_says_its_size():
    sizes = {torchvision.suited({"name": name}, DIGITS).size for name in torchvision.names()}
    assert min(sizes) == 224


def test_auto_is_the_run_with_its_values_written_out_and_the_model_keeps_them(learnable, make_params):
    train.run(make_params(), learnable, silent)
    stated = inputs(learnable), (learnable.outputs / "model" / "model.pt").read_bytes()
    train.run(make_params(train=AUTO), learnable, silent)
    assert (inputs(learnable), (learnable.outputs / "model" / "model.pt").read_bytes()) == stated
    assert inputs(learnable)["image_size"] == 12
    assert inputs(learnable)["color"] == "gray"


def test_what_is_stated_wins_and_the_rest_follows_the_model(learnable, make_params):
    train.run(make_params(train={**AUTO, "color": "rgb", "epochs": 1}), learnable, silent)
    assert (inputs(learnable)["image_size"], inputs(learnable)["color"]) == (12, "rgb")
    network = {"model": "torchvision", "options": {"name": "resnet18"}, "image_size": 32, "color": "auto"}
    train.run(make_params(train={**network, "epochs": 1}), learnable, silent)
    assert (inputs(learnable)["image_size"], inputs(learnable)["color"]) == (32, "rgb")


def test_a_probe_sees_no_pixels_and_predicts(learnable, make_params):
    train.run(make_params(train={**AUTO, "model": "probe", "options": {}}), learnable, silent)
    assert inputs(learnable)["image_size"] == 0
    ids = read_table(learnable.selection / "train.parquet", ["id"])["id"].to_pylist()[:3]
    table, _ = predict_ids(learnable.outputs / "model", ids, learnable, 2, silent)
    assert [len(row) for row in table["probabilities"].to_pylist()] == [3] * 3
