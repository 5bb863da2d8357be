"""Any detector of torchvision by name: Faster R-CNN, RetinaNet, FCOS, SSD, SSDLite. Mask R-CNN is in
`torchvision_instances`.

Options: `name`; `weights`, none, DEFAULT (COCO's, fetched by torchvision) or the path of a state dict, of which a head
for other classes is left out; `score`, `overlap` and `most`: of what is found, the least score, the IoU from which on
the lower of two of a class is dropped, and how many an image. With weights, the statistics of batch norms stay as they
are: batches are too small to estimate them.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import nn
from torchvision.models import detection, get_model, list_models

from assay.models import ModelSpec, Pictures, _torchvision
from assay.models._torchvision import WithKeptNorms, options_of, start_from
from assay.params.bounds import Count, within

INPUT = "pixels"
TASKS = ("detection",)
OTHER_TASKS = ("maskrcnn", "keypointrcnn")
LARGEST = 640
"""px: the longer side that larger images are brought down to."""
OWN_SIZE = {"ssd300": 300, "ssdlite320": 320}
"""px that a network resizes every image to by itself."""


class Options(_torchvision.Options):
    name: str = "ssdlite320_mobilenet_v3_large"
    score: Annotated[float, within(0, 1)] = 0.02
    overlap: Annotated[float, within(0, 1)] = 0.6
    most: Count = 100


class Detector(WithKeptNorms):
    """torchvision's module in the form that the task asks for; its class 0 is the background."""

    def __init__(self, network: nn.Module, pretrained: bool) -> None:
        super().__init__()
        self.network, self.pretrained = network, pretrained

    def loss(self, images: torch.Tensor, targets: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        """Sum of the network's losses. Regions to ignore are background to it."""
        wanted = [one | {"labels": one["labels"] + 1} for one in targets]
        losses = self.network(list(images.expand(-1, 3, -1, -1)), wanted)
        return torch.stack(list(losses.values())).sum()

    def forward(self, images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        found = self.network(list(images.expand(-1, 3, -1, -1))) if len(images) else []
        return [_foreground(one) for one in found]


def _foreground(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Best first, without the background."""
    order = found["scores"].argsort(descending=True, stable=True)
    order = order[found["labels"][order] > 0]
    picked = {name: part[order] for name, part in found.items()}
    return picked | {"labels": picked["labels"] - 1}


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The size that the network resizes to, or that of the images, at most LARGEST px; letterboxed."""
    name = _options(options).name
    own = next((size for start, size in OWN_SIZE.items() if name.startswith(start)), None)
    return Pictures(own or min(training.size, LARGEST), "rgb", "letterbox")


def build(spec: ModelSpec) -> nn.Module:
    """ParamsError for an unknown name or weights that do not fit."""
    options = _options(spec.options)
    return Detector(network_of(options, spec), options.weights != "none")


def network_of(options: Options, spec: ModelSpec) -> Any:
    """The network of that name, with the weights of the options but for heads of other classes."""
    network = get_model(
        options.name,
        weights=None,
        weights_backbone=None,
        num_classes=spec.outputs + 1,
        **_limits(options, spec),
    )
    start_from(network, options, [name for name in network.state_dict() if name.startswith("backbone.")])
    return network


def names() -> list[str]:
    """Every detector of boxes of the installed torchvision, sorted."""
    return [name for name in sorted(list_models(module=detection)) if not name.startswith(OTHER_TASKS)]


def _options(given: dict[str, Any]) -> Options:
    return options_of(Options, given, "torchvision_detector", names(), "detector")


def _limits(options: Options, spec: ModelSpec) -> dict[str, Any]:
    """Arguments of the architecture: limits of what is found, and no resizing of the images."""
    kept = {
        "score_thresh": options.score,
        "nms_thresh": options.overlap,
        "detections_per_img": options.most,
    }
    if options.name.startswith("ssd"):
        return kept
    sizes = {"min_size": spec.image_size, "max_size": spec.image_size}
    return sizes | (
        {f"box_{name}": value for name, value in kept.items()} if "rcnn" in options.name else kept
    )
