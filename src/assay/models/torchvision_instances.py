"""Mask R-CNN of torchvision by name (K. He et al., ICCV 2017).

Options: those of `torchvision_detector`. These networks are large: without weights they need thousands of images, and a
GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchvision.models import detection, list_models
from torchvision.models.detection.transform import resize_boxes

from assay.models import ModelSpec, Pictures, torchvision_detector
from assay.models._torchvision import options_of
from assay.models.torchvision_detector import LARGEST, Detector, network_of
from assay.params.bounds import Count

INPUT = "pixels"
TASKS = ("instance_segmentation",)
Found = dict[str, torch.Tensor]
Size = tuple[int, int]


class Options(torchvision_detector.Options):
    name: str = "maskrcnn_resnet50_fpn"
    most: Count = 400


class Instances(Detector):
    """Masks (m, 28, 28) over the boxes, as the network has them before it would draw them at the size of the image."""

    def __init__(self, network: Any, pretrained: bool) -> None:
        super().__init__(network, pretrained)
        network.transform.postprocess = _with_masks_on_their_grids


def _with_masks_on_their_grids(found: list[Found], seen: list[Size], given: list[Size]) -> list[Found]:
    """Boxes in px of the images as they were given. While it learns a network finds nothing."""
    return [
        one | {"boxes": resize_boxes(one["boxes"], *sizes), "masks": one["masks"][:, 0]}
        for one, *sizes in zip(found, seen, given, strict=bool(found))
    ]


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The size of the images, at most LARGEST px, letterboxed."""
    return Pictures(min(training.size, LARGEST), "rgb", "letterbox")


def build(spec: ModelSpec) -> nn.Module:
    """ParamsError for an unknown name or weights that do not fit."""
    options = options_of(Options, spec.options, "torchvision_instances", names(), "model of instances")
    return Instances(network_of(options, spec), options.weights != "none")


def names() -> list[str]:
    """Every Mask R-CNN of the installed torchvision, sorted."""
    return [name for name in sorted(list_models(module=detection)) if name.startswith("maskrcnn")]
