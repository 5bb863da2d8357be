"""Outlines of objects as values: polygons with parts and holes, and run lengths. One form for one meaning.

Polygons are `[[x, y, x, y, …], …]`, a ring for each part, as COCO has them; a part with holes is a list of rings, the
outer one first. Run lengths are COCO's: `{"size": [height, width], "counts": …}`, down the columns, background first;
counts may come as numbers and are held as COCO's compressed text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator

Ring = tuple[float, ...]
"""x, y, x, y, … of at least three corners, in pixels of the upright image."""
Part = tuple[Ring, ...]
"""The outer ring, and those of its holes."""

FEWEST = 6
"""Numbers that make a ring: three corners."""


NUMBERS = {int, float}
BEYOND = 1e15
"""Pixels that no image has; NaN is not below it."""


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
    """Whether a polygon, with holes or without, is sound: corners that are numbers, and an area."""
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
"""Parts of one object; what is in an outer ring and in none of its holes belongs to it."""


class RLE(BaseModel):
    """A mask as run lengths: `size` (height, width) and compressed `counts`. Holds at least one pixel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[int, int]
    counts: str

    @model_validator(mode="before")
    @classmethod
    def _in_one_form(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not {"size", "counts"} <= value.keys():
            return value
        from assay.data import runs  # numpy: a project without masks does not wait for it

        height, width = _size(value["size"])
        return {**value, "size": (height, width), "counts": runs.canonical(value["counts"], height, width)}


def _size(value: Any) -> tuple[int, int]:
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if not is_pair or not all(type(side) is int and side > 0 for side in value):
        raise ValueError(f"size {value!r} is not [height, width]")
    return value[0], value[1]
