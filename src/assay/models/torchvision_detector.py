"""Any detector of torchvision by name: Faster R-CNN, RetinaNet, FCOS, SSD, SSDLite.

Options: `name`; `weights`, none, DEFAULT (COCO's, fetched by torchvision) or the path of a state dict, of which a head
for other classes is left out; `score`, `overlap` and `most`: of what is found, the least score, the IoU from which on
the lower of two of a class is dropped, and how many an image. With weights, the statistics of batch norms stay as they
are: batches are too small to estimate them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn
from torchvision.models import detection, get_model, get_model_weights, list_models

from assay.errors import AssayError, ParamsError
from assay.layout import locate
from assay.models import ModelSpec, Pictures, parse_options
from assay.models.torchvision import read_weights
from assay.params.bounds import Count, Section, within

INPUT = "pixels"
TASKS = ("detection",)
OTHER_TASKS = ("maskrcnn", "keypointrcnn")
LARGEST = 640
"""px: the longer side that larger images are brought down to."""
OWN_SIZE = {"ssd300": 300, "ssdlite320": 320}
"""px that a network resizes every image to by itself."""


class Options(Section):
    name: str = "ssdlite320_mobilenet_v3_large"
    weights: str = "none"
    score: Annotated[float, within(0, 1)] = 0.02
    overlap: Annotated[float, within(0, 1)] = 0.6
    most: Count = 100


class Detector(nn.Module):
    """torchvision's module in the form that the task asks for; its class 0 is the background."""

    def __init__(self, network: nn.Module, pretrained: bool) -> None:
        super().__init__()
        self.network, self.pretrained = network, pretrained

    def train(self, mode: bool = True) -> Detector:
        super().train(mode)
        for module in self.modules():
            if self.pretrained and isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def loss(self, images: torch.Tensor, targets: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        """Sum of the network's losses. Regions to ignore are background to it."""
        wanted = [{"boxes": one["boxes"], "labels": one["labels"] + 1} for one in targets]
        losses = self.network(list(images.expand(-1, 3, -1, -1)), wanted)
        return torch.stack(list(losses.values())).sum()

    def forward(self, images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        return [_foreground(one) for one in self.network(list(images.expand(-1, 3, -1, -1)))]


def _foreground(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Best first, without the background."""
    order = found["scores"].argsort(descending=True, stable=True)
    order = order[found["labels"][order] > 0]
    picked = {name: found[name][order] for name in ("boxes", "scores", "labels")}
    return picked | {"labels": picked["labels"] - 1}


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The size that the network resizes to, or the images as they are, at most LARGEST px; never out of shape."""
    name = _options(options).name
    own = next((size for start, size in OWN_SIZE.items() if name.startswith(start)), None)
    return Pictures(own or min(training.size, LARGEST), "rgb", "letterbox")


def build(spec: ModelSpec) -> nn.Module:
    """ParamsError for an unknown name or weights that do not fit."""
    options = _options(spec.options)
    network = get_model(
        options.name,
        weights=None,
        weights_backbone=None,
        num_classes=spec.outputs + 1,
        **_limits(options, spec),
    )
    if options.weights != "none":
        _load(network, _weights(options), options)
    return Detector(network, options.weights != "none")


def names() -> list[str]:
    """Every detector of boxes of the installed torchvision, sorted."""
    return [name for name in sorted(list_models(module=detection)) if not name.startswith(OTHER_TASKS)]


def _options(given: dict[str, Any]) -> Options:
    options = parse_options(Options, given, "torchvision_detector")
    if options.name not in (valid := names()):
        raise ParamsError(
            f"train.options.name: torchvision has no detector {options.name!r}",
            hint=f"valid: {', '.join(valid)}",
        )
    return options


def _limits(options: Options, spec: ModelSpec) -> dict[str, Any]:
    """What is kept, in the words of the architecture; and that images come in their size already."""
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


def _weights(options: Options) -> dict[str, torch.Tensor]:
    if options.weights != "DEFAULT":
        return read_weights(locate(Path(), options.weights))
    try:
        return dict(get_model_weights(options.name)["DEFAULT"].get_state_dict(progress=False))
    except OSError as error:  # urllib's errors are OSErrors
        raise AssayError(
            f"the COCO weights of {options.name} cannot be fetched: {error}",
            hint="fetch them where there is a network and give the file: train.options.weights: path/to/weights.pth",
        ) from None


def _load(network: nn.Module, given: dict[str, torch.Tensor], options: Options) -> None:
    """Tensors of another shape, the head's, stay as they are; one of the backbone that is missing is an error."""
    own = network.state_dict()
    fitting = {
        name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape
    }
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    misfit = [name for name in own if name.startswith("backbone.") and name not in fitting.keys() | counters]
    if misfit:
        raise ParamsError(
            f"train.options.weights: they do not fit {options.name}: {len(misfit)} tensors of its backbone are "
            f"missing or of another shape, the first is {misfit[0]}",
            hint="train.options.name must be the network the weights belong to",
        )
    network.load_state_dict(fitting, strict=False)
