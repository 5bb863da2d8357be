"""Annotations of an image: objects with a category, a box and an outline; and clipping them to the image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator

from assay.data.outlines import RLE, Polygons, Ring, ring_area

Outline = Annotated[
    Annotated[Polygons, Tag("polygons")] | Annotated[RLE, Tag("run lengths")],
    Discriminator(lambda value: "run lengths" if isinstance(value, dict | RLE) else "polygons"),
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Extent = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Box = tuple[Finite, Finite, Extent, Extent]
"""x, y, width, height in pixels of the upright image; 0, 0 is the upper left corner of the first pixel."""

TOLERANCE = 1.0
"""Pixels that an object may extend beyond its image: one-based or rounded coordinates are off by as much."""
KEPT = 0.5
"""Least share of a box inside the image for it to be clipped; with less it is refused."""


class Annotation(BaseModel):
    """One object on an image, with COCO's meaning: a category; optionally a box, an outline, attributes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Annotated[str, Field(min_length=1)]
    bbox: Box | None = None
    segmentation: Outline | None = None
    iscrowd: bool = False
    """Marks a group of objects that are not annotated one by one, nor trained on or counted one by one."""
    attributes: dict[str, str | bool | int | Finite] = Field(default_factory=dict)

    @field_validator("bbox")
    @classmethod
    def _one_zero(cls, box: Box | None) -> Box | None:
        return None if box is None else (box[0] + 0.0, box[1] + 0.0, box[2], box[3])

    @field_validator("attributes")
    @classmethod
    def _one_number(cls, found: dict[str, Any]) -> dict[str, Any]:
        return {name: _whole_if_so(found[name]) for name in sorted(found)}

    @property
    def is_tag(self) -> bool:
        """Whether this is a category of the whole image, without box and outline."""
        return self.bbox is None and self.segmentation is None

    @property
    def box(self) -> Box | None:
        """`bbox`, otherwise the box of the outline; None for a tag."""
        if self.bbox is not None or self.segmentation is None:
            return self.bbox
        return box_of(self.segmentation)


def _whole_if_so(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def box_of(outline: Polygons | RLE) -> Box:
    """The smallest box around an outline: around the corners of polygons, or the pixels of run lengths."""
    if isinstance(outline, RLE):
        from assay.data.masks import box_of_mask

        return box_of_mask(outline)
    across, down = ([v for part in outline for v in part[0][axis::2]] for axis in (0, 1))
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def annotations_json(annotations: Sequence[Annotation] | None) -> str | None:
    """Annotations as canonical JSON: equal annotations give equal texts. None, for an unlabelled image, stays None."""
    if annotations is None:
        return None
    rows = [a.model_dump(mode="json", exclude_defaults=True) for a in annotations]
    return _canonical(rows)


def outline_json(one: Annotation) -> str | None:
    """The outline of an object as canonical JSON; None without one."""
    held = one.model_dump(mode="json", include={"segmentation"})["segmentation"]
    return None if held is None else _canonical(held)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def reason(error: ValidationError) -> str:
    """The first error in one line, such as `bbox.2: Input should be greater than 0`."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where or 'the line'}: {first['msg'].removeprefix('Value error, ')}"


Columns = tuple[str, Sequence[float] | None, str | None, bool | None, str | None]
"""An annotation as a row: category, bbox, segmentation as JSON, iscrowd, attributes as JSON."""


def to_columns(held: Mapping[str, Any]) -> Columns:
    """The row of one annotation, given as parsed canonical JSON."""
    outline, attributes = held.get("segmentation"), held.get("attributes")
    return (
        held["category"],
        held.get("bbox"),
        None if outline is None else _canonical(outline),
        held.get("iscrowd", False),
        None if attributes is None else _canonical(attributes),
    )


def from_columns(row: Columns) -> Annotation:
    """The inverse of `to_columns`."""
    return _from_columns(row[0], row[1] and tuple(row[1]), *row[2:])


@lru_cache(maxsize=100_000)
def _from_columns(
    category: str, bbox: Any, outline: str | None, iscrowd: bool | None, attributes: str | None
) -> Annotation:
    return Annotation(
        category=category,
        bbox=bbox,
        segmentation=None if outline is None else json.loads(outline),
        iscrowd=bool(iscrowd),
        attributes=json.loads(attributes) if attributes else {},
    )


Fit = Literal["taken", "clipped"]


def fitted(one: Annotation, width: int, height: int) -> tuple[Annotation, Fit]:
    """An object fitted to an image of `width` × `height` px.

    An object within TOLERANCE px of the image is taken unchanged. One with at least KEPT of its box inside is clipped
    at the border. ValueError for others, and for a mask whose size is not that of the image.
    """
    if isinstance(one.segmentation, RLE) and one.segmentation.size != (height, width):
        had = "{1} × {0}".format(*one.segmentation.size)
        raise ValueError(f"a mask of {had} px on an image of {width} × {height} px")
    if (box := one.box) is None or _is_inside(box, width, height):
        return one, "taken"
    kept = _clipped(box, width, height)
    if kept is None or kept[2] * kept[3] < KEPT * box[2] * box[3]:
        where = ", ".join(f"{number:g}" for number in box)
        raise ValueError(f"box {where} (x, y, width, height) lies outside the image of {width} × {height} px")
    return _clip(one, kept, width, height), "clipped"


def _is_inside(box: Box, width: int, height: int) -> bool:
    x, y, w, h = box
    return min(x, y) >= -TOLERANCE and x + w <= width + TOLERANCE and y + h <= height + TOLERANCE


def _clipped(box: Box, width: int, height: int) -> Box | None:
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    w, h = min(box[0] + box[2], width) - left, min(box[1] + box[3], height) - top
    return (left, top, w, h) if w > 0 and h > 0 else None


def _clip(one: Annotation, box: Box, width: int, height: int) -> Annotation:
    """Move corners beyond the border onto it: exact for boxes; polygons stay closed."""
    held: dict[str, Any] = {"bbox": one.bbox and _clipped(one.bbox, width, height)}
    if isinstance(one.segmentation, tuple):
        held["segmentation"] = _clip_rings(one.segmentation, width, height)
    try:
        return Annotation.model_validate(one.model_dump() | held)
    except ValidationError:
        where = ", ".join(f"{number:g}" for number in box)
        raise ValueError(f"its outline has no area inside the image, box {where}") from None


def _clip_rings(parts: Polygons, width: int, height: int) -> list[list[list[float]]]:
    """The rings with their corners moved into the image, without those that then have no area."""
    moved = [[_moved(ring, width, height) for ring in part] for part in parts]
    return [[part[0], *filter(ring_area, part[1:])] for part in moved if ring_area(part[0])]


def _moved(ring: Ring, width: int, height: int) -> list[float]:
    limits = (width, height)
    return [min(max(value, 0.0), limits[n % 2]) for n, value in enumerate(ring)]
