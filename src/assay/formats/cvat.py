"""CVAT's XML, `for images 1.1` and `for video 1.1`: boxes, polygons, masks, tags, with attributes.

`path` is the XML, or a folder with several (annotations.xml, images/…). Which elements become objects is in
assay.formats._cvat. An image in the XML without elements is labelled, without objects: CVAT does not tell whether
somebody looked. `subset` is the split. Images are searched beside the XML and in its folder `images`, also in a folder
named like the subset, by their names, and by those without a suffix. `width` and `height` tell whether coordinates are
of the upright or the stored image.

The tracks of a video are read as frames. Frame n is the image whose name ends in this number; with a frame step, if
the numbers do not fit, the n / step-th one. Shapes with `outside` are left out. Between two keyframes with nothing
listed in between, a box moves linearly as in CVAT; other shapes are listed. Frames with shapes but without an image
(deleted, or not exported) give no objects and are listed together. A frame without shapes is labelled.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from assay.data.records import Outgoing, Record, Written
from assay.data.text import read_data
from assay.errors import SourceError
from assay.formats import SPLIT_NAMES, options_of, place_of
from assay.formats._cvat import Node, Types, element, fields_of, whole
from assay.formats._files import found_image, images_below, no_such_image, path_of, put, refuse_repeats
from assay.formats._frames import Placed, by_frame, images_of_frames, shapes_of, without_image
from assay.formats._objects import Sheet, sheet, size_in
from assay.formats._shapes import shape_of, with_crowd
from assay.formats._xml import parsed, text_of
from assay.params import Section, Source

NO_SHAPES = ("attribute",)


class Options(Section):
    splits: bool = True
    """False: subsets give no split."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images of the XMLs, sorted by path. SourceError if there is no XML of CVAT."""
    options = options_of(source, Options)
    place = place_of(source, root)
    base = place if place.is_dir() else place.parent
    found = [(file, tree) for file in _xmls(place) if (tree := _parsed(file)) is not None]
    if not found:
        raise SourceError(
            f"source {source.name!r}: no XML of CVAT in {place}: no element <annotations>",
            hint="export as `CVAT for images 1.1` or `CVAT for video 1.1`",
        )
    records = [record for file, tree in found for record in File(file, tree, base, options).records()]
    refuse_repeats(source, records)
    return iter(sorted(records, key=lambda record: record.path))


def _xmls(place: Path) -> list[Path]:
    return sorted(place.rglob("*.xml")) if place.is_dir() else [place]


def _parsed(file: Path) -> Node | None:
    """The root of an XML of CVAT; None for another XML. SourceError if it cannot be parsed."""
    try:
        tree = parsed(read_data(file, SourceError))
    except ValueError as error:
        raise SourceError(f"{file}: no XML: {error}") from None
    return tree if tree.tag == "annotations" else None


class File:
    """Reader of one XML."""

    def __init__(self, file: Path, tree: Node, base: Path, options: Options) -> None:
        self.file, self.tree, self.base, self.options = file, tree, base, options
        self.name = path_of(file, base)
        self.types = _types(tree)
        self.images = list(images_below(file.parent))
        self.by_stem = {file.with_suffix("").as_posix(): file for file in self.images}

    def records(self) -> Iterator[Record]:
        """A record for each image, or for each image of a video; one for all frames without an image."""
        for image in self.tree.iterfind("image"):
            yield self._image(image)
        if self.tree.find("track") is not None:
            yield from self._video()

    def _image(self, image: Node) -> Record:
        told, subset = image.get("name") or "", image.get("subset") or ""
        where = f"{self.name}, image {image.get('id')}"
        shapes = [
            Placed(0, f"{where}, {node.tag} {n}", node)
            for n, node in enumerate(image, 1)
            if node.tag not in NO_SHAPES
        ]
        file = self._found(told, subset)
        if file is None:
            missing = self.file.parent / (told or "?")
            rows = [placed.where for placed in shapes]
            return no_such_image(path_of(missing, self.base), missing, self.name, rows)
        split = SPLIT_NAMES.get(subset.lower()) if self.options.splits else None
        return self._record(file, sheet(file, _size(image)), shapes, split)

    def _found(self, told: str, subset: str) -> Path | None:
        home, images = self.file.parent, self.file.parent / "images"
        names = ((images, f"{subset}/{told}"), (images, told), (home, f"{subset}/{told}"), (home, told))
        for folder, name in names if told else ():
            if file := found_image(folder, name, self.base):
                return file
            if file := self.by_stem.get((folder / name.replace("\\", "/")).as_posix()):
                return file
        return None

    def _video(self) -> Iterator[Record]:
        frames = dict(by_frame(shapes_of(self.tree, self.name)))
        images = images_of_frames(self.images, frames, self.tree)
        for frame, file in images.items():
            yield self._record(
                file, sheet(file, _size(self.tree.find(".//original_size"))), frames.pop(frame, [])
            )
        if frames:
            why = f"no image: {len(frames):,} frames with shapes, the first is {min(frames)}"
            yield Record(f"{self.name}#frames", self.file, skip=why, issues=without_image(frames))

    def _record(self, file: Path, held: Sheet, shapes: Iterable[Placed], split: str | None = None) -> Record:
        for placed in shapes:
            try:
                if placed.wrong:
                    raise ValueError(placed.wrong)
                held.add(placed.where, fields_of(placed.node, held.pixels, self.types))
            except ValueError as error:
                held.refuse(placed.where, str(error))
        beside = (os.fspath(self.file),)
        return Record(
            path_of(file, self.base), file, None, held.annotations, split, issues=held.issues, beside=beside
        )


def _types(tree: Node) -> Types:
    """Input types of the attributes of labels."""
    return {
        ((label.findtext("name") or "").strip(), one.findtext("name") or ""): (
            one.findtext("input_type") or ""
        ).strip()
        for label in tree.iterfind(".//label")
        for one in label.iterfind("attributes/attribute")
    }


def _size(node: Node | None) -> tuple[int, int] | None:
    """The size that an element states, in attributes or in children."""
    if node is None:
        return None
    texts = {side: node.get(side) or node.findtext(side) or "" for side in ("width", "height")}
    return size_in({side: whole(text) for side, text in texts.items()})


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """annotations.xml (`for images 1.1`) and images/; the split is the subset.

    Polygons with parts or holes become masks. Lost: boxes other than that of their outline, types of attributes whose
    values have several.
    """
    written, root, types = Written(), Node("annotations"), defaultdict[tuple[str, str], set[str]](set)
    _text(root, "version", "1.1")
    meta = ElementTree.SubElement(root, "meta")
    for n, image in enumerate(images):
        put(folder / "images" / image.path, image.read())
        about = {
            "id": n,
            "name": image.path,
            "subset": image.split,
            "width": image.width,
            "height": image.height,
        }
        node = ElementTree.SubElement(root, "image", {key: str(value) for key, value in about.items()})
        for one in image.annotations:
            shape = None if one.is_tag else shape_of(one, image.width, image.height, written.lost)
            attributes = with_crowd(one)
            node.append(element(one.category, shape, attributes))
            written.objects += 1
            for name, value in attributes.items():
                types[one.category, name].add(_type(value))
    written.lost["attributes with values of several types"] += sum(len(kinds) > 1 for kinds in types.values())
    _add_labels(ElementTree.SubElement(meta, "task"), classes, types)
    ElementTree.indent(root)
    put(folder / "annotations.xml", text_of(root, declaration=True))
    return written


def _type(value: Any) -> str:
    return "checkbox" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _add_labels(task: Node, classes: Sequence[str], types: Any) -> None:
    """The labels of a task; an attribute with values of several types is a text."""
    labels = ElementTree.SubElement(task, "labels")
    for name in classes:
        label = ElementTree.SubElement(labels, "label")
        _text(label, "name", name)
        held = ElementTree.SubElement(label, "attributes")
        for (_, attribute), kinds in sorted(item for item in types.items() if item[0][0] == name):
            one = ElementTree.SubElement(held, "attribute")
            _text(one, "name", attribute)
            _text(one, "mutable", "False")
            _text(one, "input_type", min(kinds) if len(kinds) == 1 else "text")


def _text(parent: Node, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text
