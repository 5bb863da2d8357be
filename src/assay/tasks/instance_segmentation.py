"""Instance segmentation: objects with a class and an outline, each told apart from those that it touches.

A label is the objects of an image with their outlines as canonical JSON, `[]` where somebody looked and found nothing.
An image with an object of which only the box was drawn is not labelled; a crowd may be a box. A model has `loss` and
`forward` as a detector has (`assay.tasks.detection`), and beyond that

    targets    `masks` (m, h, w) bool: the pixels of each object on the image that the model sees
    forward    `masks` (m, s, s) in 0…1: how surely each cell belongs to the object, on a grid of s × s equal cells
               over its box

The box of an object is that of its pixels: of those that are learnt, and of those that are found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pycocotools import mask as coco

from assay.data.annotations import Annotation, annotations_json
from assay.metrics.annotated import annotations_of, mask_of, pixels_of
from assay.metrics.instance_segmentation import Segmented, masked, outlined
from assay.metrics.objects import Detections, Ints, offsets_of
from assay.tasks import detection, place_of
from assay.tasks.detection import UNUSED, VISIBLE, classes, doubt, objective, objects, outputs, served, words

if TYPE_CHECKING:
    import torch

    from assay.data.images.placement import Placement

__all__ = ["UNUSED", "classes", "doubt", "objective", "objects", "outputs", "served", "words"]
SAYS_CLASSES = False
OUTLINES = "objects"
SURE = 0.5
"""Value of a mask from which on a pixel belongs to the object."""
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Values = NDArray[np.float32]
Mask = dict[str, Any]
"""A mask in the form of pycocotools."""


@dataclass(frozen=True)
class OutlinedObjects:
    """The objects of one image."""

    objects: tuple[Annotation, ...]
    place: Mapping[str, int]
    """The number of each category."""

    @property
    def classes(self) -> Ints:
        """(m,)"""
        return np.array([self.place[one.category] for one in self.objects], np.int64)

    @property
    def crowd(self) -> Bools:
        """(m,) regions that count neither way."""
        return np.array([one.iscrowd for one in self.objects], bool)

    def layers(self, height: int, width: int) -> tuple[NDArray[np.uint16], Ints]:
        """Maps (l, height, width) of the objects' numbers, from 1 on, and the map (m,) that each object is on.

        Objects that share no pixel share a map: where 300 cells lie side by side, one map is moved and not 300 masks.
        """
        maps: list[NDArray[np.uint16]] = []
        places = []
        for number, one in enumerate(self.objects, 1):
            window, pixels = _cropped(mask_of(one, height, width))
            free = (n for n, layer in enumerate(maps) if not layer[window][pixels].any())
            if (place := next(free, len(maps))) == len(maps):
                maps.append(np.zeros((height, width), np.uint16))
            maps[place][window][pixels] = number
            places.append(place)
        return np.array(maps, np.uint16).reshape(-1, height, width), np.array(places, np.int64)


def _cropped(mask: Mask) -> tuple[tuple[slice, slice], Bools]:
    """Where the box of a mask is, and the pixels in it."""
    x, y, w, h = np.asarray(coco.toBbox(mask)).astype(int).tolist()
    window = slice(y, y + h), slice(x, x + w)
    return window, pixels_of(mask)[window]


@dataclass(frozen=True)
class FoundObjects:
    """The objects found on n images, each with its mask in pixels of the upright image."""

    objects: Detections
    sizes: Ints
    """(n, 2) height and width of the images."""


def label(annotations: Sequence[Annotation]) -> str | None:
    """The outlines and crowds as canonical JSON; None where an object has no outline, or is a tag of the image."""
    if any(one.is_tag or (one.segmentation is None and not one.iscrowd) for one in annotations):
        return None
    return annotations_json(sorted(map(_bare, annotations), key=lambda one: annotations_json([one]) or ""))


def _bare(one: Annotation) -> Annotation:
    """Without attributes, and without a box beside the outline."""
    box = one.bbox if one.segmentation is None else None
    return one.model_copy(update={"bbox": box, "attributes": {}})


def targets(labels: Sequence[str], categories: Sequence[str]) -> list[OutlinedObjects]:
    """The objects of each image. ParamsError names the classes that are no category."""
    images = annotations_of(labels)
    place = place_of((one.category for image in images for one in image), categories)
    return [OutlinedObjects(tuple(image), place) for image in images]


def batch(
    targets: Sequence[OutlinedObjects], rows: Ints, where: Placement, device: torch.device
) -> list[dict[str, torch.Tensor]]:
    """The pixels of the objects on the images that the model sees, their boxes and classes."""
    return [_moved(targets[row], where, k, device) for k, row in enumerate(rows.tolist())]


def _moved(
    there: OutlinedObjects, where: Placement, image: int, device: torch.device
) -> dict[str, torch.Tensor]:
    import torch

    width, height = where.sizes[image].astype(np.int64).tolist()
    layers, place = there.layers(height, width)
    numbers = np.arange(1, len(place) + 1)
    whole = np.bincount(layers.ravel(), minlength=len(place) + 1)[1:]
    whole = whole * abs(np.linalg.det(where.affine[image, :, :2]))
    masks = where.masks(image, layers)[place] == numbers[:, None, None]
    seen = masks.sum((1, 2))
    learnt = ~there.crowd & (seen > 0) & (seen >= VISIBLE * whole)
    boxes = corners_of(masks).astype(np.float32)
    parts = {
        "boxes": boxes[learnt],
        "labels": there.classes[learnt],
        "ignore": boxes[(seen > 0) & ~learnt],
        "masks": masks[learnt],
    }
    return {name: torch.from_numpy(part).to(device) for name, part in parts.items()}


def corners_of(masks: Bools) -> Floats:
    """(m, 4) x₁, y₁, x₂, y₂ of the smallest boxes around the pixels of masks (m, h, w); 0 without a pixel."""
    (x1, x2), (y1, y2) = (_ends(np.any(masks, axis)) for axis in (1, 2))
    return np.stack([x1, y1, x2, y2], axis=1).astype(np.float64)


def _ends(hit: Bools) -> tuple[Ints, Ints]:
    """Of rows (m, length) where the first True begins and the last one ends; 0, 0 without any."""
    last = np.where(hit.any(1), hit.shape[1] - hit[:, ::-1].argmax(1), 0)
    return hit.argmax(1), last


def predict(outputs: Iterable[list[dict[str, torch.Tensor]]], where: Placement) -> FoundObjects:
    """The objects found on each image, best first; without those of which no pixel is left."""
    back, sizes = where.back(), where.sizes[:, ::-1].astype(np.int64)
    labels, scores, masks, counts = [], [], [], []
    for k, one in enumerate(one for made in outputs for one in made):
        found = {name: part.float().cpu().numpy() for name, part in one.items()}
        boxes = back.boxes(k, found["boxes"].astype(np.float64))
        drawn = [pasted(mask, box, sizes[k]) for mask, box in zip(found["masks"], boxes, strict=True)]
        kept = np.array([mask is not None for mask in drawn], bool)
        labels.append(found["labels"][kept])
        scores.append(found["scores"][kept])
        masks += [mask for mask in drawn if mask is not None]
        counts.append(int(kept.sum()))
    m = len(masks)
    detected = Detections(
        offsets_of(counts),
        np.concatenate([np.zeros(0), *labels]).astype(np.int64),
        np.zeros((m, 4)),
        np.zeros(m),
        scores=np.concatenate([np.zeros(0), *scores]),
    )
    return FoundObjects(masked(detected, masks), sizes)


def pasted(mask: Values, box: Floats, size: Ints) -> Mask | None:
    """A mask (s, s) on the grid of its box, corners (4,), as pixels of an image of `size`; None without a pixel.

    Between the middles of its cells a mask is bilinear, and outside its box there is nothing of the object.
    """
    (x, across), (y, down) = (_middles(box[k::2], limit) for k, limit in enumerate(size[::-1].tolist()))
    inside = _between(_between(mask, down * len(mask), 0), across * len(mask), 1) >= SURE
    if not inside.any():
        return None
    pixels = np.zeros(size, np.uint8, order="F")
    pixels[y, x] = inside
    made: Mask = coco.encode(pixels)
    return made


def _middles(ends: Floats, limit: int) -> tuple[slice, Floats]:
    """The pixels of an axis whose middles lie between two ends, and where between them, 0…1."""
    first, last = (int(np.clip(np.ceil(end - 0.5), 0, limit)) for end in ends)
    return slice(first, last), (np.arange(first, last) + 0.5 - ends[0]) / max(ends[1] - ends[0], 1e-9)


def _between(values: Values, places: Floats, axis: int) -> Values:
    """Linear interpolation along an axis of values given at 0.5, 1.5, …"""
    places = np.clip(places - 0.5, 0, values.shape[axis] - 1)
    before = places.astype(np.int64)
    after = np.minimum(before + 1, values.shape[axis] - 1)
    share = np.expand_dims((places - before).astype(np.float32), 1 - axis)
    made: Values = values.take(before, axis) * (1 - share) + values.take(after, axis) * share
    return made


def scores(said: FoundObjects, targets: Sequence[OutlinedObjects]) -> dict[str, float]:
    """`loss` is 1 − AP of masks: by its own loss each model would keep an epoch by another measure."""
    place = {name: number for one in targets for name, number in one.place.items()}
    truth = outlined([one.objects for one in targets], place, said.sizes.tolist())
    found = said.objects.best(truth.most)
    values = Segmented(truth, found, max(1, len(place))).values()
    ap, ap50 = (float(np.nan_to_num(values[name][0])) for name in ("ap", "ap50"))
    return {"loss": 1 - ap, "ap50": ap50}


def to_table(said: FoundObjects, categories: Sequence[str]) -> pa.Table:
    """The columns of detection, and `masks`, `height` and `width`: see `assay.metrics.instance_segmentation`."""
    found = said.objects
    counts = [] if found.masks is None else [mask["counts"].decode() for mask in found.masks]
    masks = pa.ListArray.from_arrays(pa.array(found.offsets, pa.int32()), pa.array(counts, pa.string()))
    table = detection.to_table(found, categories).append_column("masks", masks)
    for name, side in zip(("height", "width"), said.sizes.T, strict=True):
        table = table.append_column(name, pa.array(side, pa.int32()))
    return table
