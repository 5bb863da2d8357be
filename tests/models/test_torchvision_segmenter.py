from __future__ import annotations

from pathlib import Path

import pytest
import torch

from assay.errors import ParamsError
from assay.models import ModelSpec, Pictures
from assay.models.torchvision_segmenter import build, names, suited


def spec(outputs: int = 3, **options) -> ModelSpec:
    return ModelSpec(outputs, 64, options=options)


def test_segmenters_are_what_there_is():
    assert {"lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "fcn_resnet50"} <= set(names())
    with pytest.raises(ParamsError, match="no segmenter 'resnet18'"):
        build(spec(name="resnet18"))


def test_images_are_seen_as_they_are_up_to_a_size():
    assert suited({}, Pictures(900, "gray")) == Pictures(640, "rgb", "letterbox")
    assert suited({}, Pictures(200, "gray")).size == 200


def test_weights_of_other_classes_are_taken_without_their_head(tmp_path: Path):
    given = build(spec(outputs=21)).network
    torch.save(given.state_dict(), tmp_path / "w.pth")
    model = build(spec(weights=str(tmp_path / "w.pth"))).train()
    own, theirs = model.network.state_dict(), given.state_dict()
    left = [
        key for key in own if own[key].shape != theirs[key].shape or not torch.equal(own[key], theirs[key])
    ]
    assert {key.rsplit(".", 1)[0] for key in left} == {
        "classifier.low_classifier",
        "classifier.high_classifier",
    }
    assert model(torch.rand(2, 1, 64, 96)).shape == (2, 3, 64, 96)
    assert all(torch.equal(model.network.state_dict()[key], own[key]) for key in own if "running" in key)
