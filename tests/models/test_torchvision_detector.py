from __future__ import annotations

import pytest
import torch

from assay.errors import ParamsError
from assay.models import ModelSpec, Pictures
from assay.models.torchvision_detector import build, names, suited

SMALL = "ssdlite320_mobilenet_v3_large"


def spec(classes: int = 2, **options) -> ModelSpec:
    return ModelSpec(classes, 64, options=options)


def test_boxes_are_what_they_are_for():
    assert "fasterrcnn_resnet50_fpn" in names()
    assert not [name for name in names() if "mask" in name or "keypoint" in name]
    with pytest.raises(ParamsError, match="no detector 'resnet18'") as error:
        build(spec(name="resnet18"))
    assert SMALL in str(error.value.hint)


def test_a_network_with_a_size_of_its_own_gets_it():
    assert suited({}, Pictures(900, "gray")) == Pictures(320, "rgb", "letterbox")
    assert suited({"name": "fcos_resnet50_fpn"}, Pictures(900, "gray")).size == 640


@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v3_large_320_fpn", SMALL])
def test_an_image_without_objects_is_learnt_too(name):
    torch.manual_seed(0)
    model = build(spec(name=name)).train()
    there = {
        "boxes": torch.tensor([[4.0, 4, 40, 50]]),
        "labels": torch.tensor([1]),
        "ignore": torch.zeros(0, 4),
    }
    nothing = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.long),
        "ignore": torch.zeros(0, 4),
    }
    loss = model.loss(torch.rand(2, 3, 64, 64), [there, nothing])
    loss.backward()
    assert loss.isfinite()
    with torch.inference_mode():
        said = model.eval()(torch.rand(2, 3, 64, 64))
    assert all((one["labels"] < 2).all() and (one["labels"] >= 0).all() for one in said)


def test_weights_of_other_classes_are_taken_without_their_head(tmp_path):
    torch.manual_seed(0)
    other = build(spec(classes=5)).network
    torch.save(other.state_dict(), tmp_path / "weights.pth")
    mine = build(spec(classes=2, weights=str(tmp_path / "weights.pth")))
    name = "backbone.features.0.0.0.weight"
    assert torch.equal(mine.network.state_dict()[name], other.state_dict()[name])
    assert not mine.train().network.backbone.features[0][0][1].training
    torch.save({"backbone.x": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(ParamsError, match=r"does not fit ssdlite320.*the first is backbone"):
        build(spec(weights=str(tmp_path / "weights.pth")))
