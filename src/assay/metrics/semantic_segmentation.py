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

A label is the canonical JSON of an image's annotations, each with an outline; the pixels of a class are those of all of
its objects, and what is in none is background, which is no class. A crowd region is left out, whatever is found there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pycocotools import mask as coco

from assay.data.annotations import Annotation
from assay.metrics.annotated import annotations_of, as_coco, mask_of, pixels_of
from assay.metrics.bootstrap import bootstrapped
from assay.metrics.estimates import Estimate, Floats, mean_of_defined, ratio
from assay.metrics.judged import Judged
from assay.metrics.table import OF_TASK

METRICS = OF_TASK["semantic_segmentation"]
OF_A_CLASS = ("iou", "dice")
NEAR = 0.0075
"""Share of the image's diagonal within which boundaries agree."""
TERMS = ("shared", "found", "there", "found_near", "found_edge", "there_near", "there_edge")
"""Pixels of a class on an image: in both, predicted, true; boundary pixels near one of the other side, and all."""

VOID = -1
"""In place of a class: crowd regions."""
COLUMNS = ("classes", "masks", "height", "width")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PixelsClassified(Judged):
    """Pixels (n, classes, TERMS) that predictions and labels of n images share."""

    METRICS: ClassVar = METRICS
    OF_A_CLASS: ClassVar = OF_A_CLASS

    pixels: Floats
    said: tuple[str, ...]
    marks: tuple[tuple[str, ...], tuple[str, ...]]
    """(n,) what was predicted and what the label says, as text that differs if they do."""

    def __len__(self) -> int:
        return len(self.said)

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
    def words(self) -> list[str]:
        return list(self.said)

    @property
    def content(self) -> tuple[bytes, bytes]:
        predicted, labels = ("\n".join(texts).encode() for texts in self.marks)
        return predicted, labels

    def take(self, rows: Any) -> PixelsClassified:
        said, *marks = (tuple(np.array(texts, object)[rows]) for texts in (self.said, *self.marks))
        return PixelsClassified(self.pixels[rows], said, (marks[0], marks[1]))

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
    marks = []
    images = annotations_of(labels)
    for row, (said, image) in enumerate(zip(table.select(COLUMNS).to_pylist(), images, strict=True)):
        height, width = said["height"], said["width"]
        found = {
            places[k]: pixels_of(as_coco(counts, height, width))
            for k, counts in zip(said["classes"], said["masks"], strict=True)
        }
        there, void = true_pixels(image, place, height, width)
        for k in found.keys() | there.keys():
            nothing = np.zeros((height, width), bool)
            pixels[row, k] = terms(found.get(k, nothing), there.get(k, nothing), void)
        marks.append(
            repr(sorted((places[k], m) for k, m in zip(said["classes"], said["masks"], strict=True)))
        )
    return PixelsClassified(pixels, tuple(table["predicted"].to_pylist()), (tuple(marks), tuple(labels)))


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
    """Pixels of a mask with a neighbour, of four, that is not in it; beyond the image nothing is known."""
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
