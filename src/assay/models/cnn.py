"""A small convolutional network for tiny images (28–64 px), good with few labels: about 100,000 weights.

Options: width (channels of the first block, doubled by each further one), blocks, dropout. To expect: 96–97 % on
MNIST digits from 1,500 labels in a dozen epochs of about a second each on two cores.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import torch
from torch import nn

from assay.models import ModelSpec, Pictures, parse_options
from assay.params.bounds import Section, within

INPUT = "pixels"
TASKS = ("classification", "counting", "multilabel")
ANY_SIZE = True
LARGEST = 64
"""px: of larger images the network would see patches, not what is on them."""


class Options(Section):
    width: Annotated[int, within(4, 512)] = 32
    blocks: Annotated[int, within(1, 5)] = 3
    dropout: Annotated[float, within(0, 1, below=True)] = 0.1


class SmallCNN(nn.Module):
    """Blocks of convolution, 2×2 pooling, batch norm and ReLU; then the mean over what is left of the image."""

    def __init__(self, channels: int, outputs: int, options: Options) -> None:
        super().__init__()
        widths = [channels, *(options.width * 2**k for k in range(options.blocks))]
        self.blocks = nn.Sequential(*(_block(a, b) for a, b in pairwise(widths)))
        self.head = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(widths[-1], outputs))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) in 0…1 -> (n, outputs)."""
        logits: torch.Tensor = self.head(self.blocks((images - 0.5) * 4).mean((2, 3)))
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    # the bias of the convolution would be undone by the batch norm
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.MaxPool2d(2, ceil_mode=True),  # before the norm: a quarter of the work for what follows
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The images as they are, up to LARGEST."""
    return Pictures(min(training.size, LARGEST), training.color)


def build(spec: ModelSpec) -> nn.Module:
    return SmallCNN(spec.channels, spec.outputs, parse_options(Options, spec.options, "cnn"))
