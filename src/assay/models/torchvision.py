"""Any classifier of torchvision by name, with a head for our classes.

Options: name (resnet18, mobilenet_v3_small, efficientnet_b0, convnext_tiny, …); weights: none, DEFAULT (ImageNet,
fetched by torchvision) or the path of a state dict, with or without a head that fits. train.image_size and color
`auto` are what the network was made for: 224 px for most, in colour. To expect: with DEFAULT a few epochs at lr 1.0e-3
are enough for most; from nothing, ten times as many.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from assay.errors import AssayError, ParamsError, in_a_line
from assay.layout import locate
from assay.models import ModelSpec, Pictures, parse_options
from assay.params.bounds import Section

INPUT = "pixels"
TASKS = ("classification", "counting")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet: what every torchvision weight was trained with."""
TRAINED_WITH_AUXILIARIES = frozenset({"googlenet", "inception_v3"})


class Options(Section):
    name: str = "resnet18"
    weights: str = "none"


class Normalised(nn.Module):
    """A network behind ImageNet's normalisation; a grey image becomes three equal channels."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 1 or 3, h, w) in 0…1 -> logits (n, classes)."""
        outputs = self.network((images - self.mean) / self.std)
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
    network = _network(options, spec.outputs)
    if options.name in TRAINED_WITH_AUXILIARIES:
        _drop_auxiliaries(network)
    model = Normalised(network)
    _check_size(model, spec, options.name)
    return model


def _options(given: dict[str, Any]) -> Options:
    options = parse_options(Options, given, "torchvision")
    if options.name not in (valid := names()):
        raise ParamsError(
            f"train.options.name: torchvision has no classifier {options.name!r}",
            hint=f"valid: {', '.join(valid)}",
        )
    return options


def names() -> list[str]:
    """Every classifier of the installed torchvision, sorted."""
    return sorted(torchvision.models.list_models(module=torchvision.models))


def _network(options: Options, classes: int) -> nn.Module:
    extra: dict[str, Any] = {"init_weights": True} if options.name in TRAINED_WITH_AUXILIARIES else {}
    if options.weights != "DEFAULT":
        network: nn.Module = torchvision.models.get_model(
            options.name, weights=None, num_classes=classes, **extra
        )
        if options.weights != "none":
            _load(network, locate(Path(), options.weights))
        return network
    try:
        network = torchvision.models.get_model(options.name, weights="DEFAULT")
    except OSError as error:  # urllib's errors are OSErrors
        raise AssayError(
            f"the ImageNet weights of {options.name} cannot be fetched: {error}",
            hint="fetch them where there is a network and give the file: train.options.weights: path/to/weights.pth",
        ) from None
    replace_head(network, classes)
    return network


def replace_head(network: nn.Module, classes: int) -> None:
    """Put a fresh output layer in place of the last linear layer (of squeezenet: the last convolution)."""
    layers = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    linear = [layer for layer in layers if isinstance(layer[1], nn.Linear) and "aux" not in layer[0].lower()]
    name, old = (linear or layers)[-1]
    parent, _, attribute = name.rpartition(".")
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, classes)
    else:
        new = nn.Conv2d(old.in_channels, classes, kernel_size=1)
    setattr(network.get_submodule(parent), attribute, new)


def _load(network: nn.Module, path: Path) -> None:
    """Load a state dict; a head for other classes than ours is left out, anything else that differs is an error."""
    given = read_weights(path)
    own = network.state_dict()
    head = {name for name in list(own)[-2:] if name in given and given[name].shape != own[name].shape}
    misfit = [n for n in own if n not in head and (n not in given or given[n].shape != own[n].shape)]
    if misfit:
        raise ParamsError(
            f"train.options.weights: {path} does not fit: {len(misfit)} of {len(own)} tensors are missing or of "
            f"another shape, the first is {misfit[0]}",
            hint="train.options.name must be the network the weights belong to",
        )
    network.load_state_dict({n: given[n] for n in own if n not in head}, strict=False)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict. ParamsError if the file is none."""
    try:
        given: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # files that are no weights make torch raise anything
        raise ParamsError(
            f"train.options.weights: {path} cannot be read as weights: {in_a_line(error)}",
            hint="give the path of a state dict, or one of: none, DEFAULT",
        ) from None
    return given


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
