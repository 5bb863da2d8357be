"""Any of torchvision's classifiers by name, without its last layer.

`weights: none` gives a random network (seeded: a floor to compare with), `DEFAULT` torchvision's best, downloaded once
from its hub, anything else is a file with a state_dict of that network.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn
from torchvision import models

from assay.encoders import options_of
from assay.encoders._backbone import Backbone
from assay.errors import ParamsError, in_a_line
from assay.layout import locate
from assay.params import Section
from assay.params.bounds import within

MEAN, DEVIATION = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
"""Normalisation of ImageNet, times 255: that of all weights of torchvision."""
NONE, DEFAULT = "none", "DEFAULT"


class Options(Section):
    name: str = "resnet18"
    weights: str = "none"
    size: Annotated[int, within(16, 1024)] = 224
    """Images are resized to size × size px. Transformers take the size they were built for only."""


def load(options: dict[str, Any], device: Any) -> Backbone:
    """ParamsError if name, weights and size do not fit together."""
    settings = options_of("torchvision", Options, options)
    network = _load_weights(_build(settings), settings)
    _remove_head(network, settings.name)
    try:
        return Backbone(network, settings.size, MEAN, DEVIATION, device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ParamsError(
            f"embed.options.size: {settings.name} does not take images of {settings.size} px: {in_a_line(error)}",
            hint="224 suits them all, except inception_v3 (299)",
        ) from None


def _build(settings: Options) -> nn.Module:
    valid = models.list_models(module=models)
    if settings.name not in valid:
        raise ParamsError(
            f"embed.options.name: {settings.name!r} is not a classifier of torchvision",
            hint=f"valid: {', '.join(valid)}",
        )
    default = models.get_model_weights(settings.name).DEFAULT if settings.weights == DEFAULT else None
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # GoogLeNet and Inception warn about their random initialisation
        torch.manual_seed(0)
        try:
            network: nn.Module = models.get_model(settings.name, weights=default)
        except OSError as error:
            raise ParamsError(
                f"embed.options.weights: the weights of {settings.name} cannot be downloaded: {error}",
                hint="give the path of a file with its state_dict, or use another encoder",
            ) from None
    return network


def _load_weights(network: nn.Module, settings: Options) -> nn.Module:
    if settings.weights in (NONE, DEFAULT):
        return network
    file = locate(Path(), settings.weights)
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # torch, pickle and zip raise errors of their own
        raise ParamsError(
            f"embed.options.weights: {file} is not a state_dict of {settings.name}: {in_a_line(error)}",
            hint="none, DEFAULT, or the path of a file that torch.save wrote of network.state_dict()",
        ) from None
    return network


def _remove_head(network: nn.Module, name: str) -> None:
    """Replace the last linear layer, or the classifier of SqueezeNet, by the identity."""
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if name.startswith("squeezenet"):
        network.set_submodule("classifier", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        return
    network.set_submodule(linear[-1], nn.Identity())
