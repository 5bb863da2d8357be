"""Shapes of CVAT's XML to fields of annotations, and back. Coordinates are pixels.

| element  | becomes                                                                                     |
|----------|---------------------------------------------------------------------------------------------|
| box      | a box; a rotated one (clockwise about its centre) a polygon, unless by a multiple of 90°    |
| polygon  | a polygon                                                                                   |
| mask     | run lengths: CVAT's go along the rows inside the box of the mask, background first          |
| tag      | a tag                                                                                       |
| others   | refused by name: polyline, points, ellipse, cuboid, skeleton                                |

Attributes have the types of the labels in `meta` (checkbox: boolean, number); without `meta` they are texts.
`occluded` is an attribute, CROWD or `is_crowd` set marks a crowd. Groups, z_order and source are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np

from assay.data import masks
from assay.data.masks import Mask
from assay.data.outlines import Ring
from assay.formats._rotated import rotated
from assay.formats._shapes import CROWD, Shape, without_crowd

Node = ElementTree.Element
Types = Mapping[tuple[str, str], str]
"""(label, attribute) -> input type."""
CROWDS = (CROWD, "is_crowd")
OCCLUDED = "occluded"
DECIMALS = 12
"""Significant digits of coordinates."""


def whole(text: str | None) -> int | None:
    """A whole number of up to nine digits; None for another text."""
    return int(text) if text and text.isdecimal() and len(text) <= 9 else None


def fields_of(node: Node, size: tuple[int, int], types: Types) -> dict[str, Any]:
    """The fields of an element. ValueError for one that is no object, or has no valid numbers."""
    if node.tag not in READ:
        raise ValueError(f"{node.tag} is none of {', '.join(READ)}")
    label = (node.get("label") or "").strip()
    attributes = {} if node.get(OCCLUDED) != "1" else {OCCLUDED: True}
    for one in node.iterfind("attribute"):
        name = one.get("name") or ""
        attributes[CROWD if name in CROWDS else name] = _typed(
            one.text or "", types.get((label, name), "text")
        )
    return {"category": label} | READ[node.tag](node, *size) | without_crowd(attributes)


def _typed(text: str, kind: str) -> Any:
    """The value of an attribute; the text itself if it is none of its type."""
    if kind == "checkbox":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return float(text) if kind == "number" and abs(float(text)) < float("inf") else text
    except ValueError:
        return text


def _numbers(node: Node, *names: str) -> list[float]:
    texts = [node.get(name) for name in names]
    try:
        return [float(text or "") for text in texts]
    except ValueError:
        raise ValueError(f"{', '.join(names)} are {texts}: no numbers") from None


def _box(node: Node, width: int, height: int) -> dict[str, Any]:
    left, top, right, bottom = _numbers(node, "xtl", "ytl", "xbr", "ybr")
    turn = _numbers(node, "rotation")[0] if node.get("rotation") else 0.0
    if not abs(turn) < float("inf"):
        raise ValueError(f"rotation {turn} is no angle")
    return rotated((left, top, right - left, bottom - top), turn, ((left + right) / 2, (top + bottom) / 2))


def _polygon(node: Node, width: int, height: int) -> dict[str, Any]:
    try:
        corners = [tuple(map(float, pair.split(","))) for pair in (node.get("points") or "").split(";")]
    except ValueError:
        raise ValueError("points are no pairs of numbers") from None
    if any(len(corner) != 2 for corner in corners):
        raise ValueError("points are no pairs of numbers")
    return {"segmentation": [[value for corner in corners for value in corner]]}


def _mask(node: Node, width: int, height: int) -> dict[str, Any]:
    numbers = _numbers(node, "left", "top", "width", "height")
    left, top, w, h = (round(number) if abs(number) < 2**31 else -1 for number in numbers)
    if min(left, top, w - 1, h - 1) < 0 or left + w > width or top + h > height:
        raise ValueError(
            f"a mask in {left}, {top}, {w}, {h} is not inside the image of {width} × {height} px"
        )
    try:
        lengths = np.array([int(text) for text in (node.get("rle") or "").split(",")])
    except ValueError:
        raise ValueError("rle is no list of whole numbers") from None
    if lengths.min() < 0 or lengths.sum() != w * h:
        raise ValueError(f"rle comes to {lengths.sum():,} px, the box of the mask to {w * h:,}")
    whole = np.zeros((height, width), bool)
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    whole[top : top + h, left : left + w] = inside.reshape(h, w)
    return {"segmentation": masks.encode(whole)}


READ: dict[str, Callable[[Node, int, int], dict[str, Any]]] = {
    "box": _box,
    "polygon": _polygon,
    "mask": _mask,
    "tag": lambda node, width, height: {},
}
"""Element -> its place on an image, from the element and the size of the image."""


def element(category: str, shape: Shape | None, attributes: Mapping[str, Any]) -> Node:
    """An element; `shape`: None for a tag."""
    node = _shaped(shape)
    node.set("label", category)
    node.set("source", "manual")
    if shape is not None:
        node.set(OCCLUDED, str(int(attributes.get(OCCLUDED) is True)))
        node.set("z_order", "0")
    for name, value in attributes.items():
        if shape is None or (name, value) != (OCCLUDED, True) or not isinstance(value, bool):
            one = ElementTree.SubElement(node, "attribute", name=name)
            one.text = str(value).lower() if isinstance(value, bool) else str(value)
    return node


def _shaped(shape: Shape | None) -> Node:
    if shape is None:
        return Node("tag")
    if shape.mask is not None:
        return Node("mask", _mask_of(shape.mask))
    if shape.ring is not None:
        return Node("polygon", {"points": _points(shape.ring)})
    x, y, w, h = shape.box or (0.0, 0.0, 0.0, 0.0)
    sides = {"xtl": x, "ytl": y, "xbr": x + w, "ybr": y + h}
    return Node("box", {name: f"{value:.{DECIMALS}g}" for name, value in sides.items()})


def _points(ring: Ring) -> str:
    pairs = zip(ring[::2], ring[1::2], strict=True)
    return ";".join(f"{x:.{DECIMALS}g},{y:.{DECIMALS}g}" for x, y in pairs)


def _mask_of(mask: Mask) -> dict[str, str]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    inside = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    flat = inside.ravel()
    starts = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
    lengths = np.diff(np.append(starts, flat.size)).tolist()
    rle = [0, *lengths] if flat[0] else lengths
    place = {"left": left, "top": top, "width": inside.shape[1], "height": inside.shape[0]}
    return {"rle": ", ".join(map(str, rle))} | {name: str(value) for name, value in place.items()}
