"""Several tags an image: what a label is, and that the small models learn it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F

from assay import plugins
from assay.data.annotations import Annotation
from assay.errors import ParamsError
from assay.models import ModelSpec
from assay.params import Train
from assay.progress import silent
from assay.tasks import multilabel as task
from assay.training.fit import Examples, deterministic, fit
from assay.training.inputs import Rows

NAMES = ("a", "b", "c")


def test_objects_are_tags_and_nothing_is_a_label_too():
    notes = [Annotation(category="b", bbox=(0, 0, 2, 2)), Annotation(category="a"), Annotation(category="b")]
    assert task.label(notes) == '["a","b"]'
    assert task.label([]) == "[]"
    assert [task.words(text) for text in ('["a","b"]', "[]")] == ["a, b", "nothing"]
    assert task.targets(['["c","a"]', "[]"], NAMES).tolist() == [[True, False, True], [False] * 3]
    with pytest.raises(ParamsError, match="outside the declared classes: 'd'"):
        task.targets(['["d"]'], NAMES)


def test_the_loss_is_binary_cross_entropy_and_balanced_evens_out_rare_classes():
    targets = np.array([[1, 0], [0, 0], [0, 1], [0, 1]], bool)
    logits, wanted = torch.randn(4, 2), torch.from_numpy(targets).float()
    model = torch.nn.Identity()
    plain = task.objective(targets, Train(model="cnn"))(model, logits, wanted)
    assert plain == pytest.approx(F.binary_cross_entropy_with_logits(logits, wanted).item())
    smooth = task.objective(targets, Train(model="cnn", label_smoothing=0.1))(model, logits, wanted)
    aim = wanted * 0.9 + 0.05
    assert smooth == pytest.approx(F.binary_cross_entropy_with_logits(logits, aim).item())
    weights = task.class_weights(targets, "balanced")
    for k in range(2):
        both = weights[1, k] * targets[:, k].sum(), weights[0, k] * (~targets[:, k]).sum()
        assert both == pytest.approx((2, 2))
    balanced = task.objective(targets, Train(model="cnn", class_weights="balanced"))(model, logits, wanted)
    assert balanced != plain


def test_doubt_is_the_mean_entropy_of_the_decisions():
    table = task.to_table(np.array([[0.5, 0.5], [1.0, 0.0], [0.5, 1.0]], np.float32), ["a", "b"])
    assert task.doubt(table) == pytest.approx([1, 0, 0.5])
    assert table["predicted"].to_pylist() == ["a, b", "a", "a, b"]
    assert isinstance(table, pa.Table)


@pytest.mark.parametrize("name", ["cnn", "probe"])
def test_a_model_learns_which_bars_an_image_shows(name, tmp_path):
    """Bars at three places, each there or not: eight combinations."""
    rng = np.random.default_rng(0)
    shown = rng.random((160, 3)) < 0.4
    pixels = rng.integers(0, 60, (160, 12, 12, 1), dtype=np.uint8)
    for k in range(3):
        pixels[shown[:, k], :, 4 * k : 4 * k + 2 * k + 1] = (
            255  # of different widths: cnn averages over places
        )
    labels = [json.dumps([NAMES[k] for k in np.flatnonzero(row)]) for row in shown]
    inputs = pixels if name == "cnn" else pixels.reshape(160, -1).astype(np.float32)
    parts = (np.arange(120), np.arange(120, 160))
    train, val = (Examples(Rows(inputs, p), task.targets([labels[i] for i in p], NAMES)) for p in parts)
    model = plugins.load("models", name)
    options = {"width": 8} if name == "cnn" else {}
    with deterministic(1):
        torch.manual_seed(0)
        module = model.build(ModelSpec(3, 12, "gray", 144, options))
        settings = Train(model=name, epochs=8, batch=16, lr=0.02, augment="none", threads=1)
        fitted = fit(module, train, val, task, settings, 0, tmp_path / "c.pt", silent)
    first, best = fitted.history[0], fitted.history[fitted.best_epoch - 1]
    assert best["val_micro_f1"] > 0.9
    assert best["val_loss"] < 0.8 * first["val_loss"]
