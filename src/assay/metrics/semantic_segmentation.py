"""Metrics of semantic segmentation, as functions of sums of pixels over the images.

    miou          intersection over union of each class, summed over all images (as in PASCAL VOC); mean over the
                  classes of the test set
    dice          2 · intersection / (predicted + true pixels), likewise
    boundary_f1   F1 of boundary pixels that lie within .75 % of the image's diagonal of a boundary of the same class
                  on the other side (Csurka et al. 2013), likewise

Columns of predictions.parquet, one entry for each class that the image shows:

    predicted       text           what a person reads
    classes         list<int32>    places among the classes of the model
    masks           list<string>   the pixels of the class: run lengths as COCO compresses them
    height, width   int32          of the upright image, in pixels
    expected_iou    float          the mean IoU that the model expects of itself: its confidence

A label is the canonical JSON of an image's annotations, each with an outline; the pixels of a class are those of all of
its objects; pixels in none are background, which is no class. Pixels of crowd regions are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pycocotools import mask as coco

from assay.data.annotations import Annotation
from assay.metrics.annotated import annotations_of, as_coco, mask_of, pixels_of
from assay.metrics.bootstrap import bootstrapped
from assay.metrics.estimates import Estimate, Floats, mean_of_defined, ratio
from assay.metrics.judged import HALF, Judged, Mark
from assay.metrics.table import OF_TASK

METRICS = OF_TASK["semantic_segmentation"]
OF_A_CLASS = ("iou", "dice")
NEAR = 0.0075
"""Share of the image's diagonal within which boundaries agree."""
TERMS = ("shared", "found", "there", "found_near", "found_edge", "there_near", "there_edge")
"""Pixels of a class on an image: in both, predicted, true; boundary pixels near one of the other side, and all."""

VOID = -1
"""In place of a class: crowd regions."""
COLUMNS = ("predicted", "classes", "masks", "height", "width", "expected_iou")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentedImage:
    """One image: what was predicted, and what the label says."""

    height: int
    width: int
    said: str
    found: tuple[tuple[int, str], ...]
    """(class, its pixels: run lengths as COCO compresses them), by class."""
    label: str
    expected_iou: float = float("nan")
    """The mean IoU that the model expects; NaN: unknown."""


@dataclass(frozen=True)
class PixelsClassified(Judged):
    """Pixels (n, classes, TERMS) that predictions and labels of n images share."""

    METRICS: ClassVar = METRICS
    OF_A_CLASS: ClassVar = OF_A_CLASS

    pixels: Floats
    images: tuple[SegmentedImage, ...]
    place: Mapping[str, int]
    """{category: its number}"""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> int:
        return int(self.pixels.shape[1])

    @cached_property
    def quality(self) -> Floats:
        """Mean IoU over the classes that are there or were found; 1 where there is none."""
        shared, found, there = np.moveaxis(self.pixels[..., :3], -1, 0)
        means = mean_of_defined(ratio(shared, found + there - shared).T)
        return np.where(np.isnan(means), 1.0, means)

    @property
    def confidence(self) -> Floats:
        """(n,) the mean IoU that the model expects."""
        return np.array([one.expected_iou for one in self.images], np.float64)

    @property
    def words(self) -> list[str]:
        return [one.said for one in self.images]

    @property
    def content(self) -> tuple[bytes, bytes]:
        predicted, labels = [repr(one.found) for one in self.images], [one.label for one in self.images]
        return "\n".join(predicted).encode(), "\n".join(labels).encode()

    def take(self, rows: Any) -> PixelsClassified:
        kept = np.arange(len(self))[rows]
        return replace(self, pixels=self.pixels[kept], images=tuple(self.images[k] for k in kept))

    def objects_on(self, row: int) -> list[Mark]:
        """The pixels of each class, and the patches found: right if at least half of a patch is of its class."""
        one = self.images[row]
        there, _ = true_pixels(annotations_of([one.label])[0], self.place, one.height, one.width)
        marks = [_mark(mask, "given") for mask in there.values()]
        for k, counts in one.found:
            found = pixels_of(as_coco(counts, one.height, one.width))
            right = _right_patches(found, there.get(k, np.zeros_like(found)))
            marks += [_mark(right, "right"), _mark(found & ~right, "wrong")]
        return [mark for mark in marks if mark.box[2]]

    def values(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        sums = self._sums(weights)
        each = (*_areas(sums), _boundary_f1(sums))
        return {name: mean_of_defined(rows.T) for name, rows in zip(METRICS, each, strict=True)}

    def of_classes(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        return dict(zip(OF_A_CLASS, _areas(self._sums(weights)), strict=True))

    def per_class(self, categories: Sequence[str]) -> dict[str, dict[str, Estimate]]:
        """IoU and Dice of each class with their intervals; n: images that it is on."""
        counts = (self.pixels[..., TERMS.index("there")] > 0).sum(0)
        found = bootstrapped(len(self), self.of_classes, counts)
        return {
            name: {metric: rows[k] for metric, rows in found.items()} for k, name in enumerate(categories)
        }

    def _sums(self, weights: NDArray[np.float32] | None) -> dict[str, Floats]:
        """TERMS of each weighting and class, (b, classes); NaN where the class has no true pixel."""
        flat = self.pixels.reshape(len(self), -1)
        sums = flat.sum(0, keepdims=True) if weights is None else weights @ flat
        columns = np.moveaxis(sums.reshape(-1, *self.pixels.shape[1:]), -1, 0)
        absent = columns[TERMS.index("there")] == 0
        return {name: np.where(absent, np.nan, column) for name, column in zip(TERMS, columns, strict=True)}


def _right_patches(found: Mask, there: Mask) -> Mask:
    """The patches of connected pixels of which at least half are there."""
    from scipy.ndimage import label  # a tenth of a second to import

    numbers, _ = label(found)
    share = np.bincount(numbers.ravel(), there.ravel()) / np.maximum(np.bincount(numbers.ravel()), 1)
    right: Mask = found & (share >= HALF)[numbers]
    return right


def _mark(pixels: Mask, kind: Literal["given", "right", "wrong"]) -> Mark:
    mask = coco.encode(np.asfortranarray(pixels, np.uint8))
    x, y, width, height = coco.toBbox(mask).tolist()
    return Mark((x, y, width, height), kind, mask=mask)


def _areas(sums: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """IoU and Dice."""
    shared, both = sums["shared"], sums["found"] + sums["there"]
    return ratio(shared, both - shared), ratio(2 * shared, both)


def _boundary_f1(sums: Mapping[str, Floats]) -> Floats:
    """Harmonic mean of the shares of either boundary that are near the other: 0 where nothing was predicted."""
    precision = ratio(sums["found_near"], sums["found_edge"])
    recall = ratio(sums["there_near"], sums["there_edge"])
    f1 = np.nan_to_num(ratio(2 * precision * recall, precision + recall))
    return np.where(sums["there_edge"] > 0, f1, np.nan)


def judge(
    table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]
) -> PixelsClassified:
    """The columns `classes` and `masks`, of the classes `known`, held against labels among `categories`."""
    place = {category: k for k, category in enumerate(categories)}
    places = [place[category] for category in known]
    pixels = np.zeros((len(table), len(categories), len(TERMS)))
    images = []
    rows = table.select(COLUMNS).to_pylist()
    for row, said, label, image in zip(pixels, rows, labels, annotations_of(labels), strict=True):
        height, width = said["height"], said["width"]
        pairs = zip(said["classes"], said["masks"], strict=True)
        counts = tuple(sorted((places[k], mask) for k, mask in pairs))
        images.append(SegmentedImage(height, width, said["predicted"], counts, label, said["expected_iou"]))
        found = {k: pixels_of(as_coco(mask, height, width)) for k, mask in counts}
        there, void = true_pixels(image, place, height, width)
        for k in found.keys() | there.keys():
            nothing = np.zeros((height, width), bool)
            row[k] = terms(found.get(k, nothing), there.get(k, nothing), void)
    return PixelsClassified(pixels, tuple(images), place)


def true_pixels(
    image: Sequence[Annotation], place: Mapping[str, int], height: int, width: int
) -> tuple[dict[int, Mask], Mask]:
    """The pixels of each class that an image shows, and those of crowd regions, (height, width) each."""
    classes = {k: pixels_of(region) for k, region in regions(image, place, height, width).items()}
    return classes, classes.pop(VOID, np.zeros((height, width), bool))


def regions(
    image: Sequence[Annotation], place: Mapping[str, int], height: int, width: int
) -> dict[int, dict[str, Any]]:
    """{class: the pixels of its objects, as pycocotools holds them}; VOID: those of crowd regions."""
    masks: dict[int, list[Any]] = {}
    for one in image:
        masks.setdefault(VOID if one.iscrowd else place[one.category], []).append(mask_of(one, height, width))
    return {k: coco.merge(parts) for k, parts in masks.items()}


def terms(found: Mask, there: Mask, void: Mask) -> list[int]:
    """TERMS of one class on one image; nothing in `void` counts."""
    edges = [edge(mask) & ~void for mask in (found, there)]
    near = [mask & within(other) for mask, other in (edges, edges[::-1])]
    kept = ~void
    masks = (found & there & kept, found & kept, there & kept, near[0], edges[0], near[1], edges[1])
    return [int(mask.sum()) for mask in masks]


def edge(mask: Mask) -> Mask:
    """Pixels of a mask with a neighbour, of four, outside the mask. The border of the image is no boundary."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def within(edge: Mask) -> Mask:
    """Pixels at most NEAR of the diagonal, and at least one pixel, away from an edge."""
    from scipy.ndimage import distance_transform_edt  # a tenth of a second to import

    if not edge.any():
        return edge
    reach = max(1.0, NEAR * float(np.hypot(*edge.shape)))
    near: Mask = distance_transform_edt(~edge) <= reach
    return near
