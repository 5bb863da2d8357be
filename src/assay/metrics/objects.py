"""Objects as flat arrays, image after image: what is on the images (`Truth`) and what a model found (`Detections`)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.metrics.estimates import Floats

MOST = 100
"""Detections of one class on one image that count, in COCO."""

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
    """(m,) of the mask where there is one, else of the box; in pixels."""
    masks: NDArray[np.object_] | None = field(default=None, kw_only=True)
    """(m,) run lengths as pycocotools holds them: {"size": [height, width], "counts": bytes}."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.offsets) - 1

    @property
    def images(self) -> Ints:
        """(m,) the image that each object is on."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def groups(self, classes: int) -> Ints:
        """(m,) number of the pair of image and class that each object belongs to."""
        return self.images * classes + self.classes

    def take(self, rows: Any) -> Self:
        """The objects of some of the images, by mask or by number; an image may be there more than once."""
        offsets, objects = ragged(self.offsets, rows)
        return self._of(offsets, objects)

    def pick(self, objects: Ints) -> Self:
        """Some of the objects, ordered by image; the images stay."""
        counts = np.bincount(self.images[objects], minlength=len(self))
        return self._of(offsets_of(counts), objects)

    def _of(self, offsets: Ints, objects: Ints) -> Self:
        columns = {field.name: getattr(self, field.name) for field in fields(self)} | {"offsets": None}
        picked = {name: column[objects] for name, column in columns.items() if column is not None}
        return replace(self, offsets=offsets, **picked)


@dataclass(frozen=True)
class Truth(Objects):
    """The objects that are there."""

    crowd: Bools
    """(m,) COCO's crowd regions: a detection inside one is neither right nor wrong."""

    @property
    def most(self) -> int:
        """Detections of one class on one image that count: MOST, or more where an image has more objects of a class."""
        groups = self.groups(int(self.classes.max(initial=0)) + 1)
        return max(MOST, int(np.unique(groups, return_counts=True)[1].max(initial=0)))

    def by_class(self) -> Self:
        """Ordered by image and class; objects of one class keep their order."""
        return self.pick(np.lexsort((self.classes, self.images)))


@dataclass(frozen=True)
class Detections(Objects):
    """The objects that a model found."""

    scores: Floats
    """(m,)"""

    def best(self, most: int) -> Self:
        """The `most` highest scores of each class on each image, ordered by image, class and score.

        Of equal scores the first comes first, as in COCOeval.
        """
        order = np.lexsort((-self.scores, self.classes, self.images))
        places = place_in_group(self.images[order], self.classes[order])
        return self.pick(order[places < most])


def offsets_of(counts: ArrayLike) -> Ints:
    """(n + 1,) where each of n groups begins in a flat array, given how many there are of each (n,)."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def ragged(offsets: Ints, rows: Any) -> tuple[Ints, Ints]:
    """Offsets of some groups of a flat array, and the elements of these groups one after the other."""
    rows = np.arange(len(offsets) - 1)[rows]
    starts, counts = offsets[rows], np.diff(offsets)[rows]
    picked = offsets_of(counts)
    return picked, ranges(starts, counts)


def ranges(starts: Ints, counts: Ints) -> Ints:
    """start, start + 1, … of each, `counts` of them, one after the other."""
    before = offsets_of(counts)
    return np.arange(before[-1]) + np.repeat(starts - before[:-1], counts)


def place_in_group(*keys: Ints) -> Ints:
    """(m,) 0, 1, 2, … within each run of equal keys."""
    m = len(keys[0])
    begins = np.ones(m, bool)
    begins[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(begins)
    return np.arange(m) - np.repeat(starts, np.diff(np.append(starts, m)))
