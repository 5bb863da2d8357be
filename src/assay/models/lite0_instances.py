"""A small model of instances on ImageNet's EfficientNet-Lite0: `lite0_detector`, and an outline for each of its boxes.

As in Mask R-CNN (K. He et al., ICCV 2017) the pixels of an object are told apart in a window around its box, so that
objects that touch stay two. Weights and options are those of `lite0_detector`; `most` is 400, as there are images with
as many cells. To expect on nuclei of five kinds of microscopy (DSB 2018, batch 4, lr 7.0e-4, flips, 8 epochs): at
256 px from 80 images AP 36 % and AP50 69 % on 27 test images, 5 minutes of one core; at 384 px from 105 images, another
split and with all outlines learnt in each step, AP 58 % and AP50 88 % on 30 test images, 7 minutes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import roi_align

from assay.models import ModelSpec, Pictures, lite0_detector, parse_options
from assay.models.lite0_detector import GROUPS, Detector, Found
from assay.params.bounds import Count

INPUT = "pixels"
TASKS = ("instance_segmentation",)
ANY_SIZE = True

CELLS = 28
"""Cells of a mask along each side of its window."""
MARGIN = 0.1
"""Parts of the sides of a box by which its window is larger on each side."""
LOOSE = 0.1
"""Jitter of the boxes in training, in parts of the sides: boxes that are found are inexact too."""
LEARNT = 64
"""Most outlines of one image in a training step."""
WIDTH, FINE = 32, 16
"""Channels at 14 × 14 cells, and at 28 × 28."""


class Options(lite0_detector.Options):
    most: Count = 400


class Outliner(nn.Module):
    """In m windows: logits (m, 28, 28) from maps (n, width, h / 4, w / 4) and the images (n, c, h, w) themselves.

    The maps tell what belongs to an object, the pixels where it ends: many windows have finer cells than the maps.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(width, WIDTH, 1)
        coarse: list[nn.Module] = []
        for _ in range(2):
            coarse += [
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
                nn.GroupNorm(GROUPS, WIDTH),
                nn.ReLU(inplace=True),
            ]
        self.coarse = nn.Sequential(*coarse, nn.Conv2d(WIDTH, 4 * FINE, 1), nn.PixelShuffle(2), nn.ReLU())
        self.fine = nn.Sequential(
            nn.Conv2d(FINE + 3, FINE, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(FINE, 1, 1)
        )

    def forward(self, maps: torch.Tensor, images: torch.Tensor, windows: list[torch.Tensor]) -> torch.Tensor:
        """`windows`: of each image corners (k, 4) in px."""
        scale = maps.shape[3] / images.shape[3]
        around = roi_align(self.narrow(maps), windows, CELLS // 2, scale, 2, aligned=True)
        pixels = roi_align(images.expand(-1, 3, -1, -1), windows, CELLS, 1.0, 2, aligned=True)
        logits: torch.Tensor = self.fine(torch.cat([self.coarse(around), pixels], 1))
        return logits[:, 0].float()


class Instances(Detector):
    """What `Detector` finds, its boxes made larger by MARGIN, and masks (m, 28, 28) in 0…1 over these."""

    def __init__(self, classes: int, options: Options) -> None:
        super().__init__(classes, options)
        self.outliner = Outliner(options.width)

    def forward(self, images: torch.Tensor) -> list[Found]:
        if not len(images):
            return []
        maps = self.maps(images)
        found = self.found(maps, images)
        windows = [larger(one["boxes"], MARGIN) for one in found]
        masks = self.outliner(maps[0], images, windows).sigmoid().split([one.shape[0] for one in windows])
        return [
            one | {"boxes": window, "masks": mask}
            for one, window, mask in zip(found, windows, masks, strict=True)
        ]

    def loss(self, images: torch.Tensor, targets: list[Found]) -> torch.Tensor:
        """Scalar. `targets`: those of a detector, and masks (m, h, w) bool."""
        maps = self.maps(images)
        drawn = [some(one) for one in targets]
        windows = [larger(loose(one["boxes"]), MARGIN) for one in drawn]
        wanted = torch.cat([cells(one["masks"], there) for one, there in zip(drawn, windows, strict=True)])
        outlines = outline_loss(self.outliner(maps[0], images, windows), wanted)
        return self.loss_of(maps, images, targets) + outlines


def outline_loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Of masks (m, s, s): cross-entropy and 1 − Dice (F. Milletari et al., V-Net, 2016)."""
    sure = logits.sigmoid()
    shared, both = (sure * wanted).sum((1, 2)), (sure.square() + wanted).sum((1, 2))
    dice = (2 * shared + 1) / (both + 1)
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((1, 2)) + 1 - dice
    return each.sum() / max(1, len(each))


def some(target: Found) -> Found:
    """Boxes and masks of at most LEARNT objects of an image, drawn at random."""
    rows = torch.randperm(len(target["boxes"]))[:LEARNT].to(target["boxes"].device)
    return {name: target[name][rows] for name in ("boxes", "masks")}


def loose(boxes: torch.Tensor) -> torch.Tensor:
    """Corners (m, 4), each moved independently by up to LOOSE of the sides."""
    off = 2 * torch.rand(boxes.shape).to(boxes.device) - 1
    return boxes + LOOSE * off * _sides(boxes)


def larger(boxes: torch.Tensor, share: float) -> torch.Tensor:
    """Corners (m, 4) moved outwards by a share of the sides."""
    return boxes + share * _sides(boxes) * boxes.new_tensor([-1, -1, 1, 1])


def _sides(boxes: torch.Tensor) -> torch.Tensor:
    """(m, 4) width, height, width, height, of at least a pixel."""
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=1).repeat(1, 2)


def cells(masks: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
    """(m, 28, 28) of 0 and 1: masks (m, h, w) at the middles of the cells of windows (m, 4)."""
    m, height, width = masks.shape
    middles = (torch.arange(CELLS, device=masks.device) + 0.5) / CELLS
    x, y = (windows[:, [k]] + middles * (windows[:, [k + 2]] - windows[:, [k]]) for k in (0, 1))
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    rows, columns = y.long().clamp(0, height - 1), x.long().clamp(0, width - 1)
    under = rows[:, :, None] * width + columns[:, None]
    read = masks.flatten(1).gather(1, under.flatten(1)).reshape(m, CELLS, CELLS)
    return (read & inside).float()


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """As for `lite0_detector`."""
    return lite0_detector.suited(options, training)


def build(spec: ModelSpec) -> nn.Module:
    return Instances(spec.outputs, parse_options(Options, spec.options, "lite0_instances"))
