"""Any network of torchvision that classifies pixels, by name: LR-ASPP, DeepLabV3, FCN.

Options: `name`; `weights`, none, DEFAULT (COCO's images, VOC's classes; fetched by torchvision) or the path of a state
dict, of which a head for other classes is left out. With weights, the statistics of batch norms stay as they are:
batches are too small to estimate them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchvision.models import get_model, list_models, segmentation

from assay.models import ModelSpec, Pictures, _torchvision
from assay.models._torchvision import Normalised, WithKeptNorms, options_of, start_from

INPUT = "pixels"
TASKS = ("semantic_segmentation",)
ANY_SIZE = True
LARGEST = 640
"""px: the longer side that larger images are brought down to."""


class Options(_torchvision.Options):
    name: str = "lraspp_mobilenet_v3_large"


class Segmenter(WithKeptNorms, Normalised):
    def __init__(self, network: nn.Module, pretrained: bool) -> None:
        super().__init__(network)
        self.pretrained = pretrained

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 1 or 3, h, w) in 0…1 -> logits (n, outputs, h, w)."""
        logits: torch.Tensor = super().forward(images)["out"]
        return logits


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The size of the images, at most LARGEST px, letterboxed."""
    return Pictures(min(training.size, LARGEST), "rgb", "letterbox")


def build(spec: ModelSpec) -> nn.Module:
    """ParamsError for an unknown name or weights that do not fit."""
    options = options_of(Options, spec.options, "torchvision_segmenter", names(), "segmenter")
    network = get_model(options.name, weights=None, weights_backbone=None, num_classes=spec.outputs)
    start_from(network, options, [name for name in network.state_dict() if name.startswith("backbone.")])
    return Segmenter(network, options.weights != "none")


def names() -> list[str]:
    """Every segmenter of the installed torchvision, sorted."""
    return sorted(list_models(module=segmentation))
