"""Objects as flat arrays, image by image: annotated ones (`Truth`) and detected ones (`Detections`)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from assay.metrics.estimates import Floats

MOST = 100
"""Number of detections of one class on one image that count in COCO."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Objects:
    """m objects of n images; those of image i are offsets[i] … offsets[i + 1]."""

    offsets: Ints
    """(n + 1,)"""
    classes: Ints
    """(m,)"""
    boxes: Floats
    """(m, 4) x, y, width, height in pixels."""
    areas: Floats
    """(m,) area of the mask if there is one, otherwise of the box; in pixels."""
    masks: NDArray[np.object_] | None = field(default=None, kw_only=True)
    """(m,) run lengths in the form of pycocotools: {"size": [height, width], "counts": bytes}."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.offsets) - 1

    @property
    def images(self) -> Ints:
        """(m,) index of the image of each object."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def groups(self, classes: int) -> Ints:
        """(m,) group of each object: index of its pair of image and class."""
        return self.images * classes + self.classes

    def take(self, rows: Any) -> Self:
        """The objects of some of the images, given by a mask or by indices; an image may occur several times."""
        offsets, objects = ragged(self.offsets, rows)
        return self._of(offsets, objects)

    def pick(self, objects: Ints) -> Self:
        """Some of the objects, given by indices ordered by image; the number of images does not change."""
        counts = np.bincount(self.images[objects], minlength=len(self))
        return self._of(offsets_of(counts), objects)

    def _of(self, offsets: Ints, objects: Ints) -> Self:
        columns = {field.name: getattr(self, field.name) for field in fields(self)} | {"offsets": None}
        picked = {name: column[objects] for name, column in columns.items() if column is not None}
        return replace(self, offsets=offsets, **picked)


@dataclass(frozen=True)
class Truth(Objects):
    """Annotated objects."""

    crowd: Bools
    """(m,) whether an object is a crowd region of COCO: detections in it are neither right nor wrong."""

    @property
    def most(self) -> int:
        """Number of detections of one class on one image that count: MOST, or the objects of a class if more."""
        groups = self.groups(int(self.classes.max(initial=0)) + 1)
        return max(MOST, int(np.unique(groups, return_counts=True)[1].max(initial=0)))

    def by_class(self) -> Self:
        """Ordered by image and class; objects of one class keep their order."""
        return self.pick(np.lexsort((self.classes, self.images)))


@dataclass(frozen=True)
class Detections(Objects):
    """Detected objects."""

    scores: Floats
    """(m,)"""

    def best(self, most: int) -> Self:
        """The `most` detections of highest score of each class and image, ordered by image, class and score.

        Detections of equal score keep their order, as in COCOeval.
        """
        order = np.lexsort((-self.scores, self.classes, self.images))
        places = place_in_group(self.images[order], self.classes[order])
        return self.pick(order[places < most])


def read_detections(table: pa.Table, places: Ints) -> Detections:
    """The detections of a table of predictions; `places`: index of each class of the model."""
    columns = {name: table[name].combine_chunks() for name in ("boxes", "scores", "classes")}
    counts = pc.list_value_length(columns["scores"]).to_numpy(zero_copy_only=False)
    flat = {name: column.flatten() for name, column in columns.items()}
    boxes = np.asarray(flat["boxes"].flatten(), np.float64).reshape(-1, 4)
    return Detections(
        offsets_of(counts),
        places[np.asarray(flat["classes"], np.int64)],
        boxes,
        boxes[:, 2] * boxes[:, 3],
        scores=np.asarray(flat["scores"], np.float64),
    )


def offsets_of(counts: ArrayLike) -> Ints:
    """(n + 1,) start of each of n groups in a flat array, and its end, from their sizes (n,)."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def ragged(offsets: Ints, rows: Any) -> tuple[Ints, Ints]:
    """Selection of groups of a flat array: new offsets, and the indices of their elements."""
    rows = np.arange(len(offsets) - 1)[rows]
    starts, counts = offsets[rows], np.diff(offsets)[rows]
    picked = offsets_of(counts)
    return picked, ranges(starts, counts)


def ranges(starts: Ints, counts: Ints) -> Ints:
    """The ranges start, …, start + count − 1, concatenated."""
    before = offsets_of(counts)
    return np.arange(before[-1]) + np.repeat(starts - before[:-1], counts)


def place_in_group(*keys: Ints) -> Ints:
    """(m,) position 0, 1, 2, … within each run of equal keys."""
    m = len(keys[0])
    begins = np.ones(m, bool)
    begins[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(begins)
    return np.arange(m) - np.repeat(starts, np.diff(np.append(starts, m)))
