"""Semantic segmentation: a class for each pixel, or none.

A label is that of `instance_segmentation`: the outlines of an image, `[]` where somebody looked and found nothing; an
image with an object of which only the box was drawn is not labelled. The pixels of a class are those of all of its
objects; where two classes overlap, the one with fewer pixels on the image is learnt, as small objects lie in front. A
crowd region counts neither way. A model has

    forward(images) -> logits (n, classes + 1, height, width)    for each pixel of the images, the background first
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pycocotools import mask as coco

from assay.data.annotations import Annotation
from assay.data.masks import by_number
from assay.errors import ParamsError
from assay.metrics.annotated import annotations_of, area_of, as_coco, pixels_of
from assay.metrics.semantic_segmentation import VOID, regions
from assay.tasks import place_of
from assay.tasks.instance_segmentation import label

if TYPE_CHECKING:
    import torch
    from torch import nn

    from assay.data.images.placement import Placement
    from assay.params import Train

__all__ = ["label"]
SAYS_CLASSES = False
OUTLINES = "regions"
UNUSED = ("class_weights",)
Numbers = NDArray[np.integer[Any]]
"""(height, width): 0 for background, k + 1 for class k; VOID counts neither way."""


@dataclass(frozen=True)
class ImageRegions:
    """The labelled regions of one image."""

    annotations: Sequence[Annotation]
    place: Mapping[str, int]
    """{category: its number}"""
    held: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Cache of `regions`."""

    def regions(self, height: int, width: int) -> Mapping[int, dict[str, Any]]:
        """{class: its pixels, as pycocotools holds them}; VOID: crowd regions. Outlines are filled in once."""
        if self.annotations and not self.held:
            self.held.update(regions(self.annotations, self.place, height, width))
        return self.held

    def numbers(self, height: int, width: int) -> Numbers:
        """The regions as one map."""
        return numbers_of(self.regions(height, width), height, width)


@dataclass(frozen=True)
class FoundRegions:
    """The regions that a model found on one image."""

    height: int
    width: int
    masks: Mapping[int, str]
    """{class: its pixels, run lengths as COCO compresses them}"""
    expected_iou: float

    def regions(self) -> Mapping[int, dict[str, Any]]:
        """{class: its pixels, as pycocotools holds them}"""
        return {k: as_coco(counts, self.height, self.width) for k, counts in self.masks.items()}

    def numbers(self) -> Numbers:
        """The regions as one map."""
        return numbers_of(self.regions(), self.height, self.width)


def numbers_of(regions: Mapping[int, dict[str, Any]], height: int, width: int) -> Numbers:
    """Regions as one map: a region with fewer pixels lies in front, and VOID before all."""
    numbers = np.zeros((height, width), np.int16)
    for k in sorted(regions, key=lambda k: (k == VOID, -int(coco.area(regions[k])), k)):
        numbers[pixels_of(regions[k])] = VOID if k == VOID else k + 1
    return numbers


def words(label: str) -> str:
    """`road 30,211 px, tree 1,020 px`: areas of the objects; `nothing` for none."""
    pixels: dict[str, float] = {}
    for one in annotations_of([label])[0]:
        if not one.iscrowd:
            pixels[one.category] = pixels.get(one.category, 0) + area_of(one)
    return in_words(pixels)


def in_words(pixels: Mapping[str, float]) -> str:
    """`road 30,211 px, tree 1,020 px`, by name."""
    return ", ".join(f"{name} {round(pixels[name]):,} px" for name in sorted(pixels)) or "nothing"


def classes(label: str) -> list[str]:
    """The classes that the image shows, each once; not those of crowd regions."""
    return sorted({one["category"] for one in json.loads(label) if not one.get("iscrowd")})


def outputs(categories: Sequence[str]) -> int:
    """A logit for each class, and one for the background."""
    return len(categories) + 1


def targets(labels: Sequence[str], categories: Sequence[str]) -> list[ImageRegions]:
    """The outlines of each image. ParamsError names the classes that are no category."""
    images = annotations_of(labels)
    place = place_of((one.category for image in images for one in image), categories)
    return [ImageRegions(image, place) for image in images]


def batch(
    targets: Sequence[ImageRegions], rows: NDArray[np.int64], where: Placement, device: torch.device
) -> torch.Tensor:
    """(b, height, width) int64: the class of each pixel that the model sees; VOID where there is no image."""
    import torch

    sizes = where.sizes.astype(np.int64).tolist()
    maps = [
        where.masks(k, targets[row].numbers(height, width), VOID)
        for k, (row, (width, height)) in enumerate(zip(rows.tolist(), sizes, strict=True))
    ]
    return torch.from_numpy(np.stack(maps)).to(device).long()


def objective(
    targets: Sequence[ImageRegions], settings: Train
) -> Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]:
    """Cross-entropy of the pixels plus the soft Dice loss of the classes. ParamsError for class weights."""
    if settings.class_weights != "none":
        raise ParamsError(
            "train.class_weights has no meaning for semantic_segmentation: its loss has a part of each class",
            hint="class_weights: none",
        )

    def loss(model: nn.Module, images: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return pixel_loss(model(images).float(), wanted, settings.label_smoothing)

    return loss


def pixel_loss(logits: torch.Tensor, wanted: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Scalar, of logits (n, c, h, w) and numbers (n, h, w): the mean cross-entropy plus 1 − soft Dice.

    Dice is that of all pixels of the batch (F. Milletari et al.: V-Net. 3DV 2016), mean over the classes on it.
    """
    import torch.nn.functional as F

    # pixels as rows: cross_entropy of maps has no deterministic form on a GPU
    rows, numbers = logits.permute(0, 2, 3, 1).flatten(0, 2), wanted.flatten()
    known = numbers != VOID
    entropy = F.cross_entropy(rows, numbers, ignore_index=VOID, label_smoothing=smoothing, reduction="sum")
    there = F.one_hot(numbers.clamp(min=0), rows.shape[1])[:, 1:] * known[:, None]
    found = rows.softmax(1)[:, 1:] * known[:, None]
    pixels = there.sum(0)
    missing = 1 - 2 * (found * there).sum(0) / (found.sum(0) + pixels).clamp(min=1e-6)
    shown = pixels > 0
    return entropy / known.sum().clamp(min=1) + (missing * shown).sum() / shown.sum().clamp(min=1)


def served(outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities of the background and of each class at each pixel, (n, 1 + k, h, w)."""
    return outputs.float().softmax(1)


def predict(outputs: Iterable[torch.Tensor], where: Placement) -> list[FoundRegions]:
    """The likeliest class of each pixel of the upright image."""
    images = (logits for made in outputs for logits in served(made).cpu().numpy())
    return [_found(where.restored(k, one)) for k, one in enumerate(images)]


def _found(probabilities: NDArray[np.float32]) -> FoundRegions:
    """From (classes + 1, height, width)."""
    numbers = probabilities.argmax(0)
    masks = {number - 1: rle.counts for number, rle in sorted(by_number(numbers).items())}
    height, width = numbers.shape
    return FoundRegions(height, width, masks, expected_iou(probabilities, numbers))


def expected_iou(probabilities: NDArray[np.float32], numbers: Numbers) -> float:
    """The mean IoU of the classes found that the probabilities of the pixels (c, h, w) lead to expect.

    Σ p over the pixels found / (those pixels + Σ p elsewhere); where nothing is found, the least probability of
    background.
    """
    found = np.bincount(numbers.ravel(), minlength=len(probabilities))[1:]
    if not found.any():
        return float(probabilities[0].min())
    best = probabilities.max(0)
    right = np.bincount(numbers.ravel(), best.ravel(), len(probabilities))[1:]
    all_of = probabilities[1:].sum((1, 2), dtype=np.float64)
    return float(np.mean((right / (found + all_of - right))[found > 0]))


def scores(said: Sequence[FoundRegions], targets: Sequence[ImageRegions]) -> dict[str, float]:
    """`loss` is 1 − Dice, of pixels summed over the images, mean over the classes on them."""
    classes = 1 + len(targets[0].place)
    each = [_confusion(*pair, classes) for pair in zip(said, targets, strict=True)]
    pixels = np.sum(each, axis=0)
    right, there, found = np.diag(pixels)[1:], pixels.sum(1)[1:], pixels.sum(0)[1:]
    shown = there > 0
    dice = float(np.mean(2 * right[shown] / (there + found)[shown])) if shown.any() else 0.0
    return {"loss": 1 - dice, "dice": dice}


def _confusion(said: FoundRegions, there: ImageRegions, classes: int) -> NDArray[np.int64]:
    """Pixels of an image by the class that they are (rows) and the one that was found, the background first."""
    true, found = there.numbers(said.height, said.width), said.numbers()
    known = true != VOID
    pairs = true[known].astype(np.int64) * classes + found[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def to_table(said: Sequence[FoundRegions], categories: Sequence[str]) -> pa.Table:
    """The columns of `assay.metrics.semantic_segmentation`."""
    areas = [{categories[k]: coco.area(region) for k, region in one.regions().items()} for one in said]
    columns = {
        "predicted": pa.array([in_words(one) for one in areas], pa.string()),
        "classes": pa.array([list(one.masks) for one in said], pa.list_(pa.int32())),
        "masks": pa.array([list(one.masks.values()) for one in said], pa.list_(pa.string())),
        "height": pa.array([one.height for one in said], pa.int32()),
        "width": pa.array([one.width for one in said], pa.int32()),
        "expected_iou": pa.array([one.expected_iou for one in said], pa.float32()),
    }
    return pa.table(columns)


def doubt(said: pa.Table) -> NDArray[np.float32]:
    """(n,) 1 − the mean IoU that the model expects of itself on each image."""
    doubts: NDArray[np.float32] = 1 - said["expected_iou"].to_numpy()
    return doubts
