"""The labelled objects of an image, and what a segmenter sees beside them, each with what speaks against its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from assay.labels.masks.shapes import TOUCHING, Mask, edge, holes, neck, pieces, solidity, window_of

Probabilities = NDArray[np.floating[Any]]
"""(classes, height, width) of each class at each pixel, by a model that was not trained on the image."""
Window = tuple[slice, slice]

MARGIN = 3
"""px around an object that belong to its window: what is seen there beyond its outline."""
CLASPED = 0.3
"""Share of the edge of an object that touches one neighbour, from which on the two may be one."""
ROUGH = 0.6
"""px: two are one whole if at most this / radius of their convex hull is free: the pixels of a disc leave as much."""
SEEN = 0.5
"""Probability from which on a pixel is seen as a class."""
LEAST = 9
"""px: smaller regions beside the labels are noise of the segmenter."""


@dataclass(frozen=True)
class Patch:
    """Some pixels of an image: those of a mask (h, w) in a window."""

    window: Window
    pixels: Mask

    @classmethod
    def of(cls, mask: Mask) -> Patch:
        """The pixels of a mask of the whole image, at least one."""
        window = window_of(mask)
        return cls(window, mask[window])

    def on(self, whole: Mask) -> Mask:
        """A mask of the whole image with these pixels too."""
        made = whole.copy()
        made[self.window] |= self.pixels
        return made

    def within(self, window: Window) -> Mask:
        """The pixels in a window that includes the own one."""
        made = np.zeros([side.stop - side.start for side in window], bool)
        rows, columns = (
            slice(own.start - side.start, own.stop - side.start)
            for own, side in zip(self.window, window, strict=True)
        )
        made[rows, columns] = self.pixels
        return made


@dataclass(frozen=True)
class Unit:
    """What is judged as one object: an annotation, or a connected region of one."""

    annotation: int
    """Its number among those of the image."""
    category: int
    patch: Patch
    crowd: bool = False
    """Crowd regions are never suspected."""


@dataclass(frozen=True)
class Region:
    """An object with a label, or what is seen beside the labels."""

    image: int
    label: int
    """The number of its unit on the image; −1: no label."""
    category: int
    patch: Patch
    support: float
    """Mean probability of its class over its pixels."""
    classes: NDArray[np.float64]
    """(classes,) mean probability of each class over its pixels."""
    core: float
    """Mean probability of any class over its best seen quarter: 0 where there is nothing."""
    touching: float
    """Share of its edge that touches labelled objects."""
    size: float = 1.0
    """Its area in the median area of the labels of its class on the image; 1 at most, and without any."""
    hole: float | None = None
    """Mean probability of its class over the pixels of its holes; None: it has none."""
    parts: int = 1
    neck: float = 0.0
    """1 − width of its narrowest bridge / width of the smaller body."""
    twin: int = -1
    """The unit that it makes a convex whole with; −1: none."""
    off: float = 0.0
    """px: where label and segmenter disagree in and around it, for each pixel of its edge."""
    better: Mapping[str, tuple[Patch, ...]] = field(default_factory=dict)
    """What it would become, by what is wrong: mended, parted, joined, redrawn, added."""


def regions(image: int, units: Sequence[Unit], seen: Probabilities) -> list[Region]:
    """The regions of one image: the units that are no crowds, in their order, then what is seen beside them."""
    sheet = Sheet.of(units, seen)
    labelled = [_labelled(image, k, sheet) for k, one in enumerate(units) if not one.crowd]
    return [*labelled, *_beside(image, sheet)]


@dataclass(frozen=True)
class Sheet:
    """The units of an image, and what is seen."""

    units: Sequence[Unit]
    seen: NDArray[np.float32]
    covered: NDArray[np.int64]
    """(h, w) how many units have a pixel."""
    numbers: NDArray[np.int64]
    """(h, w) one of them, from 1 on; 0: none."""

    @classmethod
    def of(cls, units: Sequence[Unit], seen: Probabilities) -> Sheet:
        covered, numbers = (np.zeros(seen.shape[1:], np.int64) for _ in range(2))
        for number, one in enumerate(units, 1):
            covered[one.patch.window] += one.patch.pixels
            numbers[one.patch.window][one.patch.pixels] = number
        return cls(units, np.asarray(seen, np.float32), covered, numbers)

    def core(self, window: Window, mask: Mask) -> float:
        """Mean probability of any class over the best seen quarter of a mask in a window."""
        seen = np.sort(self.seen[:, *window][:, mask].sum(0))
        return float(seen[-max(1, len(seen) // 4) :].mean())

    def classes(self, window: Window, mask: Mask) -> NDArray[np.float64]:
        """(classes,) mean probability of each class over a mask in a window."""
        means: NDArray[np.float64] = self.seen[:, *window][:, mask].mean(1, dtype=np.float64)
        return means


def _labelled(image: int, k: int, sheet: Sheet) -> Region:
    unit = sheet.units[k]
    window = _around(unit.patch.window, sheet.covered.shape)
    mask, seen = unit.patch.within(window), sheet.seen[(unit.category, *window)]
    others = sheet.covered[window] - mask > 0
    hole, parts, rim = holes(mask, others), pieces(mask), edge(mask)
    solid = holes(parts[0], others | mask & ~parts[0]) | parts[0]
    narrow, body = neck(solid)
    twin, touching, union = _twin(k, rim, window, sheet)
    around = ndimage.binary_dilation(mask, TOUCHING, MARGIN) & ~others
    better = {"mended": (Patch(window, solid),), "redrawn": _redrawn((seen >= SEEN) & around, window)}
    if body is not None:
        better["parted"] = (Patch(window, body), Patch(window, solid & ~body))
    if union is not None:
        better["joined"] = (union,)
    wrong = float(np.where(mask, 1 - seen, np.where(around, seen, 0)).sum())
    classes = sheet.classes(window, mask)
    return Region(
        image,
        k,
        unit.category,
        Patch(window, mask),
        float(classes[unit.category]),
        classes,
        sheet.core(window, mask),
        touching,
        hole=float(seen[hole].mean()) if hole.any() else None,
        parts=len(parts),
        neck=narrow,
        twin=twin,
        off=wrong / int(rim.sum()),
        better=better,
    )


def _redrawn(seen: Mask, window: Window) -> tuple[Patch, ...]:
    return (Patch(window, pieces(seen)[0]),) if seen.any() else ()


def _twin(k: int, rim: Mask, window: Window, sheet: Sheet) -> tuple[int, float, Patch | None]:
    """The unit that this one makes a whole with, the share of its edge that touches units, and the two as one."""
    here = sheet.units[k]
    there = np.where(here.patch.within(window), 0, sheet.numbers[window])
    near = ndimage.grey_dilation(there, footprint=TOUCHING)[rim]
    counts = np.bincount(near, minlength=2)[1:]
    touching, other = float(counts.sum() / len(near)), int(counts.argmax())
    if counts[other] < CLASPED * len(near):
        return -1, touching, None
    if sheet.units[other].category != here.category or sheet.units[other].crowd:
        return -1, touching, None
    union = _joined(here.patch, sheet.units[other].patch)
    radius = float(np.sqrt(union.pixels.sum() / np.pi))
    return (other, touching, union) if solidity(union.pixels) >= 1 - ROUGH / radius else (-1, touching, None)


def _joined(a: Patch, b: Patch) -> Patch:
    rows, columns = (
        slice(min(one.start, two.start), max(one.stop, two.stop))
        for one, two in zip(a.window, b.window, strict=True)
    )
    return Patch((rows, columns), a.within((rows, columns)) | b.within((rows, columns)))


def _around(window: Window, shape: tuple[int, ...]) -> Window:
    """A window with MARGIN px around it, as far as the image goes."""
    rows, columns = (
        slice(max(0, side.start - MARGIN), min(end, side.stop + MARGIN))
        for side, end in zip(window, shape, strict=True)
    )
    return rows, columns


def _beside(image: int, sheet: Sheet) -> Iterator[Region]:
    """What is seen as a class where nothing is labelled."""
    best = sheet.seen.argmax(0)
    free = (sheet.seen.max(0) >= SEEN) & (sheet.covered == 0)
    near = ndimage.binary_dilation(sheet.covered > 0, TOUCHING)
    for category in range(len(sheet.seen)):
        numbers, _ = ndimage.label(free & (best == category), TOUCHING)
        areas = [
            int(one.patch.pixels.sum()) for one in sheet.units if one.category == category and not one.crowd
        ]
        usual = float(np.median(areas)) if areas else 1.0
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), 1):
            window = rows, columns
            mask = numbers[window] == number
            if (area := int(mask.sum())) < LEAST:
                continue
            solid = mask | holes(mask, sheet.covered[window] > 0)
            classes, touching = sheet.classes(window, mask), float(near[window][edge(mask)].mean())
            drawn = Patch(window, solid)
            yield Region(
                image,
                -1,
                category,
                drawn,
                float(classes[category]),
                classes,
                sheet.core(window, mask),
                touching,
                min(1.0, area / usual),
                better={"added": (drawn,)},
            )
