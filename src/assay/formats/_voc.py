"""Objects of VOC's XML to fields of annotations, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from assay.data.annotations import Annotation
from assay.data.records import Outgoing

FLAGS = ("difficult", "truncated", "occluded")
SIDES = ("xmin", "ymin", "xmax", "ymax")
STARTS = re.compile(rb"<[xy]min>\s*([01])(?:\.0*)?\s*</")
"""A box that begins at 0 or 1."""


def begins_at_zero(xmls: Iterable[Path]) -> bool:
    """Whether more coordinates of boxes begin at 0 than at 1: on the border of an image, they tell the base."""
    starts = [start for xml in xmls for start in STARTS.findall(_data(xml))]
    return starts.count(b"0") > starts.count(b"1")


def _data(xml: Path) -> bytes:
    try:
        return xml.read_bytes()
    except OSError:  # listed when it is parsed
        return b""


def fields_of(one: ElementTree.Element, one_based: bool) -> dict[str, Any]:
    """The fields of an object; `wrong`, a message, if its coordinates are no numbers."""
    texts = [one.findtext(f"bndbox/{side}") for side in SIDES]
    try:
        left, top, right, bottom = (float(text or "") for text in texts)
    except ValueError:
        return {"wrong": f"{', '.join(SIDES)} are {texts}: no numbers"}
    shift = 1 if one_based else 0
    return {
        "category": (one.findtext("name") or "").strip(),
        "bbox": (left - shift, top - shift, right - left + shift, bottom - top + shift),
        "attributes": _attributes(one),
    }


def from_one(fields: dict[str, Any]) -> bool:
    """Move a box that begins at pixel 0, counted from 1, to pixel 1; whether it does."""
    if "bbox" not in fields or -1 not in fields["bbox"][:2]:
        return False
    left, top, width, height = fields["bbox"]
    across, down = (int(start == -1) for start in (left, top))
    fields["bbox"] = (left + across, top + down, width - across, height - down)
    return True


def _attributes(one: ElementTree.Element) -> dict[str, str | bool]:
    held: dict[str, str | bool] = {name: True for name in FLAGS if (one.findtext(name) or "").strip() == "1"}
    pose = (one.findtext("pose") or "").strip()
    return held | ({"pose": pose} if _is_pose(pose) else {})


def is_stored(name: str, value: object) -> bool:
    """Whether the XML has a place for an attribute."""
    return value is True if name in FLAGS else name == "pose" and isinstance(value, str) and _is_pose(value)


def _is_pose(text: str) -> bool:
    return text == text.strip() and text not in ("", "Unspecified")


def tree_of(name: str, image: Outgoing, held: list[Annotation]) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    _add_text(root, "filename", name)
    size = ElementTree.SubElement(root, "size")
    for tag, number in (("width", image.width), ("height", image.height), ("depth", 3)):
        _add_text(size, tag, number)
    _add_text(root, "segmented", int(any(one.segmentation is not None for one in held)))
    for one in held:
        node = ElementTree.SubElement(root, "object")
        _add_text(node, "name", one.category)
        stored = {name: value for name, value in one.attributes.items() if is_stored(name, value)}
        _add_text(node, "pose", stored.get("pose", "Unspecified"))
        for flag in FLAGS:
            _add_text(node, flag, int(flag in stored))
        x, y, w, h = one.box or (0.0, 0.0, 0.0, 0.0)
        box = ElementTree.SubElement(node, "bndbox")
        for side, value in zip(SIDES, (x + 1, y + 1, x + w, y + h), strict=True):
            _add_text(box, side, f"{value:.12g}")
    return root


def _add_text(parent: ElementTree.Element, tag: str, value: object) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)
