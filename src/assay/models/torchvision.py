"""Any classifier of torchvision by name, with a head for our classes.

Options: name (resnet18, mobilenet_v3_small, efficientnet_b0, convnext_tiny, …); weights: none, DEFAULT (ImageNet,
fetched by torchvision) or the path of a state dict, with or without a head that fits. train.image_size and color
`auto` are what the network was made for: 224 px for most, in colour. To expect: with DEFAULT a few epochs at lr 1.0e-3
are enough for most; from nothing, ten times as many.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import nn

from assay.errors import ParamsError, in_a_line
from assay.models import ModelSpec, Pictures, _torchvision
from assay.models._torchvision import Normalised, options_of, start_from

INPUT = "pixels"
TASKS = ("classification", "counting", "multilabel")
TRAINED_WITH_AUXILIARIES = frozenset({"googlenet", "inception_v3"})
HEAD = 2
"""Tensors of the output layer, the last ones of a state dict."""


class Options(_torchvision.Options):
    name: str = "resnet18"


class Classifier(Normalised):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 1 or 3, h, w) in 0…1 -> logits (n, classes)."""
        outputs = super().forward(images)
        logits: torch.Tensor = outputs if isinstance(outputs, torch.Tensor) else outputs.logits
        return logits


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The size that the DEFAULT weights were measured at, or the least of the architecture's weights; in colour."""
    chosen = _options(options)
    weights = torchvision.models.get_model_weights(chosen.name)
    of = [weights["DEFAULT"]] if chosen.weights == "DEFAULT" else list(weights)
    return Pictures(min(one.transforms.keywords["crop_size"] for one in of), "rgb")


def build(spec: ModelSpec) -> nn.Module:
    """ParamsError for an unknown name, weights that do not fit, or images too small for the network."""
    options = _options(spec.options)
    network = _network(options.name, spec.outputs)
    start_from(network, options, list(network.state_dict())[:-HEAD])
    model = Classifier(network)
    _check_size(model, spec, options.name)
    return model


def _options(given: dict[str, Any]) -> Options:
    return options_of(Options, given, "torchvision", names(), "classifier")


def names() -> list[str]:
    """Every classifier of the installed torchvision, sorted."""
    return sorted(torchvision.models.list_models(module=torchvision.models))


def _network(name: str, classes: int) -> nn.Module:
    if name not in TRAINED_WITH_AUXILIARIES:
        network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
        return network
    # their weights were made for inputs that are normalised in their own way
    network = torchvision.models.get_model(
        name, weights=None, num_classes=classes, init_weights=True, transform_input=True
    )
    _drop_auxiliaries(network)
    return network


def _drop_auxiliaries(network: nn.Module) -> None:
    """Remove the extra heads of googlenet and inception_v3, which only their original training used."""
    network.aux_logits = False  # type: ignore[assignment]
    for name in ("aux1", "aux2", "AuxLogits"):
        if hasattr(network, name):
            setattr(network, name, None)


def _check_size(model: nn.Module, spec: ModelSpec, name: str) -> None:
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, spec.channels, spec.image_size, spec.image_size))
    except (RuntimeError, AssertionError) as error:
        raise ParamsError(
            f"{name} does not take images of {spec.image_size} px: {in_a_line(error)}",
            hint="set train.image_size: auto, which is what it was made for",
        ) from None
