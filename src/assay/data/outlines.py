"""Outlines of objects: polygons with parts and holes, and run lengths, each in canonical form.

Polygons are `[[x, y, x, y, …], …]`, one ring per part, as in COCO; a part with holes is a list of rings, the outer one
first. Run lengths are those of COCO: `{"size": [height, width], "counts": …}`, down the columns, background first;
counts given as numbers are stored as COCO's compressed text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator

Ring = tuple[float, ...]
"""x, y, x, y, … of three or more corners, in pixels of the upright image."""
Part = tuple[Ring, ...]
"""The outer ring, then the rings of its holes."""

FEWEST = 6
"""Least length of a ring: three corners."""


NUMBERS = {int, float}
BEYOND = 1e15
"""Bound of coordinates, in pixels; also excludes NaN."""


def _ring(values: Any) -> Ring:
    if not isinstance(values, Sequence) or len(values) < FEWEST or len(values) % 2:
        raise ValueError("a ring is x, y of three corners at least")
    if not set(map(type, values)) <= NUMBERS or not all(abs(value) < BEYOND for value in values):
        raise ValueError("a corner is no pair of finite numbers")
    ring = tuple([value + 0.0 for value in values])  # floats, and 0.0 for -0.0
    if not ring_area(ring):
        raise ValueError("a ring encloses no area")
    return ring


def encloses(value: Any) -> bool:
    """Whether a polygon, with or without holes, is valid: finite corners, and rings with an area."""
    try:
        return bool(_part(value))
    except ValueError:
        return False


def ring_area(ring: Sequence[float]) -> float:
    """The area that a ring encloses, by the shoelace formula."""
    x, y = ring[::2], ring[1::2]
    next_x, next_y = (*x[1:], x[0]), (*y[1:], y[0])
    return abs(math.fsum(map(mul, x, next_y)) - math.fsum(map(mul, y, next_x))) / 2


def _part(values: Any) -> Part:
    is_nested = isinstance(values, list | tuple) and values and isinstance(values[0], list | tuple)
    return tuple(map(_ring, values if is_nested else (values,)))


def _parts(values: Any) -> tuple[Part, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise ValueError("an outline has at least one polygon")
    return tuple(map(_part, values))


def _written(parts: tuple[Part, ...]) -> list[Any]:
    return [list(part[0]) if len(part) == 1 else [list(ring) for ring in part] for part in parts]


Polygons = Annotated[tuple[Part, ...], BeforeValidator(_parts), PlainSerializer(_written)]
"""Parts of one object: the area in the outer ring of a part and in none of its holes belongs to the object."""


class RLE(BaseModel):
    """A mask of at least one pixel as run lengths: `size` (height, width) and compressed `counts`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[int, int]
    counts: str

    @model_validator(mode="before")
    @classmethod
    def _in_one_form(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not {"size", "counts"} <= value.keys():
            return value
        from assay.data import runs  # here, as it imports numpy: only projects with masks need it

        height, width = _size(value["size"])
        return {**value, "size": (height, width), "counts": runs.canonical(value["counts"], height, width)}


def _size(value: Any) -> tuple[int, int]:
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if not is_pair or not all(type(side) is int and side > 0 for side in value):
        raise ValueError(f"size {value!r} is not [height, width]")
    return value[0], value[1]
