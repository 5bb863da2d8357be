"""Masks of objects: outlines to pixels, boxes and tags, and back. Pixels are filled by the rules of pycocotools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from assay.data import runs
from assay.data.annotations import Annotation, Box
from assay.data.outlines import RLE, Polygons

Mask = NDArray[np.bool_]
"""(height, width); True: the pixel belongs to the object."""


def encode(mask: Mask) -> RLE:
    """A mask as run lengths. ValueError for an empty mask."""
    return _rle(coco.encode(np.asfortranarray(mask, np.uint8)))


def decode(rle: RLE) -> Mask:
    """Run lengths as a mask (height, width)."""
    return _unrolled(rle.counts, *rle.size)


def _unrolled(counts: str | bytes, height: int, width: int) -> Mask:
    lengths = runs.uncompressed(counts)
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.ascontiguousarray(pixels.reshape(width, height).T)


def rasterized(outline: Polygons | RLE, height: int, width: int) -> Mask:
    """(height, width) mask of an outline: the union of its parts, each without its holes."""
    if isinstance(outline, RLE):
        return decode(outline)
    mask = np.zeros((height, width), bool)
    for outer, *holes in outline:
        mask |= _filled([outer], height, width) & ~_filled(holes, height, width)
    return mask


def _filled(rings: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    """The pixels in any of the rings."""
    if not rings:
        return np.zeros((height, width), bool)
    joined = coco.merge(coco.frPyObjects([list(ring) for ring in rings], height, width))
    return _unrolled(joined["counts"], height, width)


def rle_of(outline: Polygons | RLE, height: int, width: int) -> RLE:
    """An outline as run lengths. ValueError if it covers no pixel."""
    return outline if isinstance(outline, RLE) else encode(rasterized(outline, height, width))


def by_number(numbers: NDArray[np.integer[Any]]) -> dict[int, RLE]:
    """Number -> run lengths of its pixels in a map (height, width), without number 0."""
    height, width = numbers.shape
    flat = np.ascontiguousarray(numbers.T).ravel()
    starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
    ends = np.append(starts[1:], len(flat))
    order = np.argsort(flat[starts], kind="stable")
    firsts = np.flatnonzero(np.diff(flat[starts][order], prepend=-1))
    found = {int(flat[starts[group[0]]]): group for group in np.split(order, firsts[1:])}
    return {
        number: _of_spans(starts[group], ends[group], height, width)
        for number, group in found.items()
        if number
    }


def _of_spans(starts: NDArray[np.int64], ends: NDArray[np.int64], height: int, width: int) -> RLE:
    """Mask of the spans [start, end) of pixels, counted down the columns."""
    edges = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], edges, [height * width]]))
    return RLE.model_validate({"size": (height, width), "counts": counts.tolist()})


def area(rle: RLE) -> int:
    """Number of pixels."""
    return int(coco.area(_coco(rle)))


def box_of_mask(rle: RLE) -> Box:
    """The smallest box around the pixels: x, y, width, height."""
    x, y, width, height = coco.toBbox(_coco(rle)).tolist()
    return x, y, width, height


def iou(these: Sequence[RLE], those: Sequence[RLE]) -> NDArray[np.float64]:
    """Intersection over union of each of n masks with each of m: (n, m)."""
    if not these or not those:
        return np.zeros((len(these), len(those)))
    found = coco.iou([_coco(one) for one in these], [_coco(one) for one in those], [0] * len(those))
    return np.asarray(found, np.float64)


def as_box(one: Annotation) -> Annotation:
    """The annotation reduced to its box; tags, `iscrowd` and attributes are kept."""
    return one.model_copy(update={"bbox": one.box, "segmentation": None})


def as_tags(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The annotations reduced to tags: each category once, sorted."""
    return [Annotation(category=name) for name in sorted({one.category for one in annotations})]


def _coco(rle: RLE) -> dict[str, object]:
    return {"size": list(rle.size), "counts": rle.counts.encode()}


def _rle(held: dict[str, object]) -> RLE:
    return RLE.model_validate(held)
