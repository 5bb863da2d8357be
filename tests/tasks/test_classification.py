from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from assay.errors import MissingInput, ParamsError
from assay.params import Train
from assay.tasks import classification as task
from assay.training.inputs import Rows, outputs_of
from assay.training.predict import load_model


def test_labels_become_numbers_in_the_order_of_the_categories() -> None:
    assert task.targets(["b", "a", "b"], ["b", "a"]).tolist() == [0, 1, 0]
    with pytest.raises(ParamsError, match="outside the declared classes: 'c'") as caught:
        task.targets(["a", "c"], ["a", "b"])
    assert "a, b" in str(caught.value.hint)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    targets = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    assert task.class_weights(targets, 3, "balanced") == pytest.approx(expected)
    assert task.class_weights(targets, 3, "none") is None
    assert task.class_weights(targets, 4, "balanced")[3] == 0, "a class without images has no say"


def test_the_loss_is_cross_entropy_in_float32() -> None:
    logits, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    plain = task.objective(targets.numpy(), Train(model="cnn", class_weights="none", label_smoothing=0.0))
    model = torch.nn.Identity()
    assert plain(model, logits.bfloat16(), targets).dtype == torch.float32
    learnt_from = np.array([0, 0, 0, 1, 2, 2])
    weighed = task.objective(learnt_from, Train(model="cnn", class_weights="balanced", label_smoothing=0.1))
    weights = torch.from_numpy(task.class_weights(learnt_from, 3, "balanced"))
    assert weighed(model, logits, targets) == F.cross_entropy(
        logits, targets, weight=weights, label_smoothing=0.1
    )


class Mean(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


def test_predictions_are_probabilities_in_order_whatever_the_batch() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
    inputs = Rows(pixels, np.arange(9)[::-1].copy())
    whole = task.predict(outputs_of(Mean(), inputs, 100, torch.device("cpu")))
    assert whole.dtype == np.float32
    assert whole.sum(1) == pytest.approx(1)
    assert task.predict(outputs_of(Mean(), inputs, 2, torch.device("cpu"))) == pytest.approx(whole, abs=1e-6)
    means = torch.from_numpy(pixels[8].mean((0, 1)) / 255)
    assert whole[0] == pytest.approx(means.softmax(0), abs=1e-5)


def test_doubt_is_one_minus_the_margin() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [0.1, 0.7, 0.2], [1.0, 0.0, 0.0]], np.float32)
    assert task.doubts(probabilities) == pytest.approx([1.0, 0.5, 0.0])
    assert task.doubts(np.ones((2, 1), np.float32)).tolist() == [0, 0]


def test_a_model_that_is_not_there(tmp_path) -> None:
    with pytest.raises(MissingInput, match=r"model.json is not there"):
        load_model(tmp_path)
