"""Pseudo-labels from less than the full annotation: objects as drawn become objects of the kind that is to be learnt.

Masks of a box need no model: its pixels (`filled`), the ellipse in it (`ellipse`), or what Otsu's threshold takes for
the object (`otsu`). Pixels that a rule leaves open, as those between ellipse and box, become a crowd region, which
counts neither way. IoU of such masks with the true ones says little of what is learnt from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from assay.data.annotations import Annotation, Box
from assay.data.masks import encode
from assay.data.outlines import Ring
from assay.metrics.annotated import mask_of, pixels_of

Grey = NDArray[np.uint8]
Drawn = Sequence[Annotation]

CORNERS = 32
"""Vertices of the polygon of an ellipse."""
CORE, REACH = 0.7, 1.4
"""Around a point, in radii of a typical object: up to CORE all is object, beyond REACH nothing is."""
LEVELS = 256


@dataclass(frozen=True)
class Typical:
    """Width and height of a typical object of a class on an image, px."""

    width: float
    height: float

    @property
    def radius(self) -> float:
        """Of the disc with the area of the ellipse in that box."""
        return float(np.sqrt(self.width * self.height)) / 2


@dataclass(frozen=True)
class LabelledImage:
    """What a rule may use beside the objects drawn on an image."""

    height: int
    width: int
    grey: Callable[[], Grey]
    """The pixels (height, width)."""
    typical: Mapping[str, Typical]


Rule = Callable[[Drawn, LabelledImage], list[Annotation]]


def typical_sizes(objects: Sequence[Annotation]) -> dict[str, Typical]:
    """{class: size of its median box on an image}: what one box around a typical object gives."""
    found: dict[str, list[tuple[float, float]]] = {}
    for one in objects:
        if one.box is not None and not one.iscrowd:
            found.setdefault(one.category, []).append(one.box[2:])
    return {name: Typical(*np.median(sizes, axis=0).tolist()) for name, sizes in sorted(found.items())}


def as_drawn(drawn: Drawn, image: LabelledImage) -> list[Annotation]:
    """Objects of the kind that is to be learnt, unchanged."""
    return list(drawn)


def filled(drawn: Drawn, image: LabelledImage) -> list[Annotation]:
    """All pixels of each box."""
    return [_filled(one) for one in drawn]


def ellipses(drawn: Drawn, image: LabelledImage) -> list[Annotation]:
    """The ellipse in each box; pixels in a box and in no ellipse count neither way."""
    return _unsure_around([_ellipse(one, _box(one)) for one in drawn], drawn, image)


def discs(drawn: Drawn, image: LabelledImage) -> list[Annotation]:
    """Around each point a disc of the typical size, smaller by CORE; the ring up to REACH counts neither way."""
    near, far = (
        [_ellipse(one, _around(one, *[2 * share * image.typical[one.category].radius] * 2)) for one in drawn]
        for share in (CORE, REACH)
    )
    return _unsure_around(near, far, image)


def typical_boxes(drawn: Drawn, image: LabelledImage) -> list[Annotation]:
    """Around each point a box of the typical size."""
    sizes = (image.typical[one.category] for one in drawn)
    return [
        one.model_copy(update={"bbox": _around(one, size.width, size.height)})
        for one, size in zip(drawn, sizes, strict=True)
    ]


def otsu(drawn: Drawn, image: LabelledImage) -> list[Annotation]:
    """In each box the side of Otsu's threshold that has less of the border; all of a box of one gray level."""
    grey = image.grey()
    return [_thresholded(one, grey) for one in drawn]


def _thresholded(one: Annotation, grey: Grey) -> Annotation:
    x, y, w, h = _box(one)
    top, left = max(round(y), 0), max(round(x), 0)
    window = grey[top : max(round(y + h), top + 1), left : max(round(x + w), left + 1)]
    if not window.size or window.min() == window.max():
        return _filled(one)
    bright = window > otsu_threshold(window)
    border = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    mask = np.zeros(grey.shape, bool)
    mask[top : top + len(window), left : left + window.shape[1]] = bright if border.mean() <= 0.5 else ~bright
    return one.model_copy(update={"bbox": None, "segmentation": encode(mask)})


def otsu_threshold(grey: Grey) -> int:
    """The grey level up to which pixels are dark: N. Otsu 1979, the largest variance between dark and bright."""
    counts = np.bincount(grey.ravel(), minlength=LEVELS).astype(np.float64)
    dark, sums = np.cumsum(counts)[:-1], np.cumsum(counts * np.arange(LEVELS))
    bright, total = grey.size - dark, sums[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = dark * bright * (sums[:-1] / dark - (total - sums[:-1]) / bright) ** 2
    return int(np.nan_to_num(between).argmax())


def _unsure_around(taught: Drawn, around: Drawn, image: LabelledImage) -> list[Annotation]:
    """`taught`, and a crowd region of the pixels of `around` outside them."""
    if not taught:
        return []
    sure, all_of = (_pixels(objects, image) for objects in (taught, around))
    unsure = all_of & ~sure
    if not unsure.any():
        return list(taught)
    region = Annotation(category=taught[0].category, segmentation=encode(unsure), iscrowd=True)
    return [*taught, region]


def _pixels(objects: Drawn, image: LabelledImage) -> NDArray[np.bool_]:
    return pixels_of(coco.merge([mask_of(one, image.height, image.width) for one in objects]))


def _filled(one: Annotation) -> Annotation:
    x, y, w, h = _box(one)
    return _outlined(one, (x, y, x + w, y, x + w, y + h, x, y + h))


def _ellipse(one: Annotation, box: Box) -> Annotation:
    x, y, w, h = box
    turn = 2 * np.pi * np.arange(CORNERS) / CORNERS
    corners = np.stack([x + w / 2 * (1 + np.cos(turn)), y + h / 2 * (1 + np.sin(turn))], axis=1)
    return _outlined(one, tuple(corners.ravel().tolist()))


def _outlined(one: Annotation, ring: Ring) -> Annotation:
    return one.model_copy(update={"bbox": None, "segmentation": ((ring,),)})


def _around(one: Annotation, width: float, height: float) -> Box:
    """A box around the middle of what was drawn."""
    x, y, w, h = _box(one)
    return x + (w - width) / 2, y + (h - height) / 2, width, height


def _box(one: Annotation) -> Box:
    assert one.box is not None
    return one.box
