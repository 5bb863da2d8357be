"""Corrections of single objects: one is added, removed, given another class, another box, or other outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay.data.annotations import Annotation, Box
from assay.data.masks import decode, encode, rasterized
from assay.data.outlines import RLE

CLOSE = 0.01
"""px that the sides of a box may be off in a file for people, whose numbers are rounded."""


@dataclass(frozen=True)
class Correction:
    """What an object is now, and what it becomes. No `box`: it is not there yet. No `new_box`: it goes.

    With `outlines` it becomes one object for each of them. `also`: the box of another object of its class, which goes
    with it.
    """

    category: str | None
    box: Box | None
    new_category: str | None
    new_box: Box | None
    outlines: tuple[RLE, ...] = ()
    also: Box | None = None


def corrected(annotations: Sequence[Annotation], corrections: Sequence[Correction]) -> list[Annotation]:
    """The annotations of an image after the corrections, in order; a later one can refer to what an earlier one made.

    Several outlines for one object are changes of its own: all are made. LookupError if an object is not there. A new
    box on an object with an outline takes the outline away: it would be the one of the old box.
    """
    now = list(annotations)
    for one in _together(annotations, corrections):
        if one.box is None:
            now += _added(one)
            continue
        at = index_of(now, one)
        now[at : at + 1] = [] if one.new_box is None else _changed(now[at], one)
        if one.also is not None:
            del now[index_of(now, replace(one, box=one.also))]
    return now


def _together(annotations: Sequence[Annotation], corrections: Sequence[Correction]) -> list[Correction]:
    """The corrections, those that redraw the same object as one, where the first of them is."""
    groups: dict[object, list[Correction]] = {}
    for number, one in enumerate(corrections):
        redrawn = one.box is not None and len(one.outlines) == 1 and one.new_category == one.category
        groups.setdefault((one.category, one.box) if redrawn else number, []).append(one)
    return [_combined(annotations, held) if len(held) > 1 else held[0] for held in groups.values()]


def _combined(annotations: Sequence[Annotation], redrawn: Sequence[Correction]) -> Correction:
    """One correction that adds and removes the pixels that any of them adds or removes."""
    first, outlines = redrawn[0], [decode(one.outlines[0]) for one in redrawn]
    outline = annotations[index_of(annotations, first)].segmentation
    if outline is None:
        return redrawn[-1]
    before = rasterized(outline, *outlines[0].shape)
    after = before.copy()
    for each in outlines:
        after = np.where(each != before, each, after)
    return (
        replace(first, outlines=(encode(after),))
        if after.any()
        else replace(first, new_box=None, outlines=())
    )


def _added(one: Correction) -> list[Annotation]:
    category = str(one.new_category)
    if not one.outlines:
        return [Annotation(category=category, bbox=one.new_box)]
    return [Annotation(category=category, segmentation=outline) for outline in one.outlines]


def index_of(annotations: Sequence[Annotation], one: Correction) -> int:
    """The index of the object that a correction means. LookupError if it is not there."""
    for at, there in enumerate(annotations):
        if there.category == one.category and _is_close(there.box, one.box):
            return at
    where = ", ".join(f"{side:g}" for side in one.box or ())
    raise LookupError(f"there is no {one.category!r} with the box {where} any more")


def _is_close(a: Box | None, b: Box | None) -> bool:
    return a is not None and b is not None and all(abs(x - y) <= CLOSE for x, y in zip(a, b, strict=True))


def _changed(before: Annotation, one: Correction) -> list[Annotation]:
    held = before.model_dump() | {"category": one.new_category}
    if one.outlines:
        drawn = [held | {"bbox": None, "segmentation": outline.model_dump()} for outline in one.outlines]
        return [Annotation.model_validate(each) for each in drawn]
    if not _is_close(one.box, one.new_box):
        held |= {"bbox": one.new_box, "segmentation": None}
    return [Annotation.model_validate(held)]
