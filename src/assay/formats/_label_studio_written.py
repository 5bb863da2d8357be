"""Annotations as results of Label Studio, the inverse of assay.formats._label_studio; and a labelling config for them.

A box is a rectangle, a polygon of one ring a polygon, any other outline a brush. Attributes, and CROWD for a crowd, are
items with the id of their region: choices for booleans, number, textarea. All tags are one item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from assay.data.annotations import Annotation, Box
from assay.data.outlines import Ring
from assay.formats import _brush
from assay.formats._label_studio import Said
from assay.formats._shapes import Shape, shape_of, with_crowd
from assay.formats._xml import text_of

IMAGE = "image"
"""The `to_name` of all items, and the key of the image in `data` of a task."""
CONTROLS = {"rectangle": "box", "polygon": "outline", "brush": "mask", "choices": "tag"}
"""Type of an item, without `labels` -> its `from_name`."""


def result_of(
    annotations: Sequence[Annotation], width: int, height: int
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The `result` of annotations on an image of `width` × `height` px, and what is lost: kind -> objects."""
    items: list[dict[str, Any]] = []
    lost = Counter[str]()
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    if tags := [one for one in annotations if one.is_tag]:
        items.append(
            _item("0", "choices", "tag", {"choices": list(dict.fromkeys(one.category for one in tags))})
        )
        lost["attributes of tags"] = sum(bool(one.attributes) for one in tags)
    for n, one in enumerate((one for one in annotations if not one.is_tag), 1):
        shape, value = _drawn(shape_of(one, width, height, lost), width, height)
        labels = {f"{shape}labels": [one.category]}
        items.append(_item(str(n), f"{shape}labels", CONTROLS[shape], value | labels) | size)
        items += [_item(str(n), *_attribute(name, value)) | size for name, value in with_crowd(one).items()]
    return items, +lost


def _item(number: str, kind: str, control: str, value: Said) -> dict[str, Any]:
    return {"id": number, "type": kind, "from_name": control, "to_name": IMAGE, "value": dict(value)}


def _attribute(name: str, value: str | bool | float) -> tuple[str, str, Said]:
    if isinstance(value, bool):
        return "choices", name, {"choices": [str(value).lower()]}
    return (
        ("textarea", name, {"text": [value]})
        if isinstance(value, str)
        else ("number", name, {"number": value})
    )


def _drawn(shape: Shape, width: int, height: int) -> tuple[str, dict[str, Any]]:
    """The type of a region without `labels`, and its value without the class."""
    if shape.mask is not None:
        return "brush", {"format": "rle", "rle": _brush.encoded(shape.mask)}
    if shape.ring is not None:
        return "polygon", _polygon_of(shape.ring, width, height)
    return "rectangle", _rectangle_of(shape.box or (0, 0, 0, 0), width, height)


def _rectangle_of(box: Box, width: int, height: int) -> dict[str, Any]:
    x, y, w, h = box
    shares = {"x": x / width, "y": y / height, "width": w / width, "height": h / height}
    return {key: share * 100 for key, share in shares.items()} | {"rotation": 0}


def _polygon_of(ring: Ring, width: int, height: int) -> dict[str, Any]:
    points = [[x / width * 100, y / height * 100] for x, y in zip(ring[::2], ring[1::2], strict=True)]
    return {"points": points, "closed": True}


TAGS = {"rectangle": "RectangleLabels", "polygon": "PolygonLabels", "brush": "BrushLabels"}


def config(
    classes: Iterable[str],
    kinds: Iterable[str],
    attributes: Mapping[str, type] | None = None,
    several: bool = True,
) -> str:
    """The XML. `kinds`: of CONTROLS; `attributes`: name -> bool, str or float; `several`: an image may have tags.

    UsageError for a name with a character that XML cannot hold.
    """
    view, names = ElementTree.Element("View"), list(classes)
    ElementTree.SubElement(view, "Image", name=IMAGE, value=f"${IMAGE}", zoomControl="true")
    for kind in kinds:
        if kind == "choices":
            _add_choices(view, CONTROLS[kind], names, "multiple" if several else "single")
            continue
        labels = ElementTree.SubElement(view, TAGS[kind], name=CONTROLS[kind], toName=IMAGE)
        for name in names:
            ElementTree.SubElement(labels, "Label", value=name)
    for name, held in (attributes or {}).items():
        if held is bool:
            _add_choices(view, name, ("true", "false"), "single", "true")
        else:
            tag = "TextArea" if held is str else "Number"
            ElementTree.SubElement(view, tag, name=name, toName=IMAGE, perRegion="true")
    ElementTree.indent(view)
    return text_of(view).decode() + "\n"


def _add_choices(
    view: ElementTree.Element, control: str, names: Iterable[str], choice: str, per_region: str = "false"
) -> None:
    choices = ElementTree.SubElement(
        view, "Choices", name=control, toName=IMAGE, choice=choice, perRegion=per_region
    )
    for name in names:
        ElementTree.SubElement(choices, "Choice", value=name)


def attributes_of(annotations: Iterable[Annotation]) -> dict[str, type]:
    """The attributes of objects, and CROWD if there is a crowd: name -> bool, str or float.

    An attribute with values of several types is a text; one that is named like a control of a class is left out.
    """
    found: dict[str, type] = {}
    for one in annotations:
        for name, value in with_crowd(one).items():
            kind = type(value) if isinstance(value, str | bool) else float
            found[name] = kind if found.get(name, kind) is kind else str
    return {name: found[name] for name in sorted(found) if name not in {*CONTROLS.values(), IMAGE}}
