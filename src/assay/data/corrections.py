"""Corrections of single objects: one is added, removed, given another class or another box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.data.annotations import Annotation, Box

CLOSE = 0.01
"""px that the sides of a box may be off in a file for people, whose numbers are rounded."""


@dataclass(frozen=True)
class Correction:
    """What an object is now, and what it becomes. No `box`: it is not there yet. No `new_box`: it goes."""

    category: str | None
    box: Box | None
    new_category: str | None
    new_box: Box | None


def corrected(annotations: Sequence[Annotation], corrections: Sequence[Correction]) -> list[Annotation]:
    """The annotations of an image after the corrections, in order; a later one can refer to what an earlier one made.

    LookupError if an object is not there. A new box on an object with an outline takes the outline away: it would be
    the one of the old box.
    """
    now = list(annotations)
    for one in corrections:
        if one.box is None:
            now.append(Annotation(category=str(one.new_category), bbox=one.new_box))
            continue
        at = index_of(now, one)
        now[at : at + 1] = [] if one.new_box is None else [_changed(now[at], one)]
    return now


def index_of(annotations: Sequence[Annotation], one: Correction) -> int:
    """The index of the object that a correction means. LookupError if it is not there."""
    for at, there in enumerate(annotations):
        if there.category == one.category and _is_close(there.box, one.box):
            return at
    where = ", ".join(f"{side:g}" for side in one.box or ())
    raise LookupError(f"there is no {one.category!r} with the box {where} any more")


def _is_close(a: Box | None, b: Box | None) -> bool:
    return a is not None and b is not None and all(abs(x - y) <= CLOSE for x, y in zip(a, b, strict=True))


def _changed(before: Annotation, one: Correction) -> Annotation:
    held = before.model_dump() | {"category": one.new_category}
    if not _is_close(one.box, one.new_box):
        held |= {"bbox": one.new_box, "segmentation": None}
    return Annotation.model_validate(held)
