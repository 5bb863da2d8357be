from __future__ import annotations

import pytest
import torch

from assay.contracts.models import objects
from assay.errors import ParamsError
from assay.models import ModelSpec
from assay.models.torchvision_instances import build, names


def test_it_is_mask_r_cnn():
    assert "maskrcnn_resnet50_fpn" in names()
    with pytest.raises(ParamsError, match="no model of instances 'fcos_resnet50_fpn'") as error:
        build(ModelSpec(1, 64, options={"name": "fcos_resnet50_fpn"}))
    assert "maskrcnn_resnet50_fpn" in str(error.value.hint)


def test_masks_are_on_the_grids_of_boxes_in_px_of_the_image_and_an_image_without_objects_is_learnt():
    """The network resizes 64 px to the 32 that it was built for, and boxes come back."""
    torch.manual_seed(0)
    model = build(ModelSpec(3, 32, options={"most": 3, "score": 0.0}))
    images, there = torch.rand(2, 3, 32, 32), objects()
    nothing = {name: part[:0] for name, part in there.items()}
    assert model.train().loss(images, [there, nothing]).isfinite()
    with torch.inference_mode():
        small, large = model.eval()(images), model(torch.nn.functional.interpolate(images, scale_factor=2.0))
    for one, other in zip(small, large, strict=True):
        assert one["masks"].shape == (3, 28, 28)
        assert other["boxes"].max() > 32 >= one["boxes"].max()
