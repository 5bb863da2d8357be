"""What the models of torchvision share: a network by its name, and weights to start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import nn
from torchvision.models import get_model

from assay.errors import AssayError, ParamsError, in_a_line
from assay.layout import locate
from assay.models import parse_options
from assay.params.bounds import Section

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet: what every torchvision weight was trained with."""
MOMENTUM = 0.1
"""Of batch norms, torch's default."""
State = dict[str, torch.Tensor]


class Options(Section):
    name: str
    weights: str = "none"
    """none, DEFAULT, or the path of a state dict."""


O = TypeVar("O", bound=Options)  # noqa: E741


def options_of(options: type[O], given: dict[str, Any], model: str, names: Sequence[str], kind: str) -> O:
    """A model's checked options. ParamsError for a name that is none of `names`."""
    chosen = parse_options(options, given, model)
    if chosen.name not in names:
        raise ParamsError(
            f"train.options.name: torchvision has no {kind} {chosen.name!r}",
            hint=f"valid: {', '.join(names)}",
        )
    return chosen


def start_from(network: nn.Module, options: Options, needed: Iterable[str]) -> None:
    """Load the weights of the options, but for tensors of another shape: a head for other classes.

    ParamsError if one that is `needed` does not fit.
    """
    if options.weights == "none":
        return
    given, own = _weights(options), network.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if _shape(own, name) == tensor.shape}
    # how many batches a norm has seen: older files do not say
    must = [name for name in needed if not name.endswith("num_batches_tracked")]
    if misfit := [name for name in must if name not in fitting]:
        raise ParamsError(
            f"train.options.weights: {options.weights} does not fit {options.name}: {len(misfit)} of {len(must)} "
            f"tensors are missing or of another shape, the first is {misfit[0]}",
            hint="train.options.name must be the network the weights belong to",
        )
    network.load_state_dict(fitting, strict=False)


def _shape(state: State, name: str) -> torch.Size | None:
    return state[name].shape if name in state else None


def _weights(options: Options) -> State:
    if options.weights != "DEFAULT":
        return read_weights(locate(Path(), options.weights))
    try:
        # as torchvision loads them: some files have names of tensors from long ago
        return dict(get_model(options.name, weights="DEFAULT", progress=False).state_dict())
    except OSError as error:  # urllib's errors are OSErrors
        raise AssayError(
            f"the weights of {options.name} cannot be fetched: {error}",
            hint="fetch them where there is a network and give the file: train.options.weights: path/to/weights.pth",
        ) from None


def read_weights(path: Path) -> State:
    """A state dict. ParamsError if the file is none."""
    try:
        given: State = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # files that are no weights make torch raise anything
        raise ParamsError(
            f"train.options.weights: {path} cannot be read as weights: {in_a_line(error)}",
            hint="give the path of a state dict, or one of: none, DEFAULT",
        ) from None
    return given


class Normalised(nn.Module):
    """A network behind ImageNet's normalisation; a grey image becomes three equal channels."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.network = network

    def forward(self, images: torch.Tensor) -> Any:
        """(n, 1 or 3, h, w) in 0…1 -> what the network returns."""
        return self.network((images - self.mean) / self.std)


class WithKeptNorms(nn.Module):
    """A module whose batch norms keep their statistics where it began with weights: its batches are too small.

    Without weights they follow within some dozen steps: with mobilenet_v3's momentum of .01 it takes hundreds.
    """

    pretrained: bool

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(mode and not self.pretrained)
                module.momentum = MOMENTUM
        return self
