"""Pascal VOC: boxes in XML, masks of classes and of instances in PNGs.

    Annotations/1.xml          the boxes of JPEGImages/1.jpg; XMLs and images may also be in one folder
    ImageSets/Main/train.txt   the names of the images of a split: train, val, test; or folders named so
    SegmentationObject/1.png   0 background, 255 ignored border, other numbers: objects
    SegmentationClass/1.png    the same pixels by class, in the order of `options.classes`

Coordinates are pixels from 1, the last one included: a box of xmin = xmax is 1 px wide. With `one_based: false` they
are distances from 0 to the right and lower edge; by default this is so if more boxes begin at 0 than at 1. If only some
begin at 0, these are fixed: 0 is taken as 1. An image without XML is unlabelled; one with an XML without objects is
labelled. difficult, truncated, occluded and pose become attributes. Object n of SegmentationObject is the n-th object
of the XML if their classes are equal, otherwise an additional object.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.outlines import RLE
from assay.data.records import Issue, Outgoing, Record, Written
from assay.data.splits import PROTECTION
from assay.data.text import read_text
from assay.errors import SourceError
from assay.formats import SPLIT_NAMES, options_of, place_of
from assay.formats._files import (
    images_below,
    is_held,
    no_such_image,
    path_of,
    png_of,
    put,
    refuse_repeats,
    split_of,
)
from assay.formats._objects import Sheet, sheet
from assay.formats._shapes import COVERED, POLYGONS
from assay.formats._voc import begins_at_zero, fields_of, from_one, is_stored, tree_of
from assay.formats._xml import parsed, text_of
from assay.params import Section, Source

CLASSES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]  # fmt: skip
BORDER = 255


class Options(Section):
    one_based: bool | None = None
    """Whether coordinates start at 1 and include the last pixel, as in VOC; null: found by the coordinates."""
    classes: list[str] = CLASSES
    """The classes of the numbers in SegmentationClass, from 1."""
    splits: bool = True
    """False: ImageSets and names of folders give no split."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images below `source.path`, sorted by path. SourceError if there is no XML."""
    options = options_of(source, Options)
    place = place_of(source, root)
    reading = Reading(source, place, options)
    records = [*reading.labelled(), *reading.unlabelled()]
    refuse_repeats(source, records)
    return iter(sorted(records, key=lambda record: record.path))


class Reading:
    """Reader of one folder."""

    def __init__(self, source: Source, place: Path, options: Options) -> None:
        self.place, self.options = place, options
        self.xmls = sorted(place.rglob("*.xml"))
        self.images = list(images_below(place))
        self.pictures = [file for file in self.images if not file.parent.name.startswith("Segmentation")]
        if not self.xmls:
            raise SourceError(
                f"source {source.name!r}: no .xml below {place}",
                hint="name the folder that contains Annotations",
            )
        told = options.one_based
        self.one_based = not begins_at_zero(self.xmls) if told is None else told
        self.by_stem = {(file.parent, file.stem): file for file in self.pictures}
        self.splits = _splits(place) if options.splits else {}
        self.met: set[Path] = set()

    def labelled(self) -> Iterator[Record]:
        """A record for each XML."""
        for xml in self.xmls:
            if (tree := _parsed(xml)) is None:
                yield Record(path_of(xml, self.place), xml, skip="no XML: it cannot be parsed")
            elif tree.tag == "annotation":
                yield self._record(xml, tree)

    def unlabelled(self) -> Iterator[Record]:
        """A record for each image without an XML."""
        for file in self.pictures:
            if file not in self.met:
                split = self._split(file, file.stem)
                yield Record(path_of(file, self.place), file, split=split, beside=self._beside(file))

    def _split(self, file: Path, stem: str) -> str | None:
        if not self.options.splits:
            return None
        return self.splits.get(stem) or split_of(file, self.place)

    def _record(self, xml: Path, tree: ElementTree.Element) -> Record:
        objects = tree.findall("object")
        rows = [f"{path_of(xml, self.place)}, object {n}" for n in range(1, len(objects) + 1)]
        name = tree.findtext("filename") or xml.stem
        file = self._image(xml, name)
        if file is None:
            missing = xml.parent / name
            return no_such_image(path_of(missing, self.place), missing, path_of(xml, self.place), rows)
        self.met.add(file)
        held = sheet(file, _size(tree))
        said = [fields_of(one, self.one_based) for one in objects]
        if self.options.one_based is None and self.one_based:
            for row, fields in zip(rows, said, strict=True):
                if from_one(fields):
                    held.fix(row, "begins at 0 in a data set that counts from 1: taken as 1")
        outlines, issues = self._outlines(file, said)
        held.issues += issues
        for row, fields, outline in zip(rows, said, outlines, strict=False):
            self._add(held, row, fields, outline)
        for outline in outlines[len(said) :]:
            self._add(held, f"{file.stem}.png", {}, outline)
        return Record(
            path_of(file, self.place),
            file,
            None,
            held.annotations,
            self._split(file, xml.stem),
            issues=held.issues,
            beside=self._beside(file),
        )

    def _add(self, held: Sheet, where: str, fields: dict[str, Any], outline: dict[str, Any]) -> None:
        if "wrong" in fields:
            return held.refuse(where, fields["wrong"])
        return held.add(where, fields | outline)

    def _image(self, xml: Path, name: str) -> Path | None:
        """The image by the name in the XML or of the XML; in the folder of the XML, or in JPEGImages or images."""
        stems = dict.fromkeys((Path(name.replace("\\", "/")).stem, xml.stem))
        folders = (xml.parent, xml.parent.parent / "JPEGImages", xml.parent.parent / "images")
        found = (self.by_stem.get((folder, stem)) for stem in stems for folder in folders)
        return next((file for file in found if file is not None), None)

    def _segmented(self, file: Path, kind: str) -> Path:
        return file.parent.parent / f"Segmentation{kind}" / f"{file.stem}.png"

    def _beside(self, file: Path) -> tuple[str, ...]:
        if not self._segmented(file, "Object").parent.is_dir():
            return ()
        return tuple(os.fspath(self._segmented(file, kind)) for kind in ("Object", "Class"))

    def _outlines(self, file: Path, said: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Issue]]:
        """Fields that the PNGs add to each object of the XML, then those of objects in the PNGs only; and issues."""
        added: list[dict[str, Any]] = [{} for _ in said]
        numbers, classes = (_numbers(self._segmented(file, kind)) for kind in ("Object", "Class"))
        if numbers is None or classes is None or numbers.shape != classes.shape:
            return added, []
        issues = []
        for number, rle in masks.by_number(np.where(numbers == BORDER, 0, numbers)).items():
            found = np.bincount(classes[masks.decode(rle)]).argmax()
            if not 0 < found <= len(self.options.classes):
                what = f"object {number} is of class {found}: options.classes has {len(self.options.classes)}"
                issues.append(Issue(f"SegmentationClass/{file.stem}.png", what, "refused"))
                continue
            self._place(added, said, number, self.options.classes[found - 1], rle)
        return added, issues

    def _place(
        self, added: list[dict[str, Any]], said: list[dict[str, Any]], number: int, name: str, rle: RLE
    ) -> None:
        if number <= len(said) and said[number - 1].get("category") == name:
            added[number - 1] = {"segmentation": rle}
        else:
            added.append({"category": name, "segmentation": rle})


def _parsed(xml: Path) -> ElementTree.Element | None:
    try:
        return parsed(xml.read_bytes())
    except (OSError, ValueError):
        return None


def _size(tree: ElementTree.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(tree.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width > 0 < height else None


def _splits(place: Path) -> dict[str, str]:
    """Name of an image -> split; of several splits, the most protected: test before val before train."""
    found: dict[str, str] = {}
    files = {file: SPLIT_NAMES.get(file.stem.lower()) for file in place.rglob("ImageSets/Main/*.txt")}
    named = [(file, split) for file, split in files.items() if split is not None]
    for file, split in sorted(named, key=lambda pair: PROTECTION.index(pair[1])):
        lines = (line.split() for line in read_text(file, SourceError).splitlines())
        found |= {words[0]: split for words in lines if words and words[-1] != "-1"}
    return found


def _numbers(file: Path) -> np.ndarray | None:
    """(height, width) numbers of an indexed or grey PNG; None if there is none."""
    try:
        with Image.open(file) as image:
            return np.asarray(image) if image.mode in ("P", "L") else None
    except Exception:  # for a damaged file Pillow may raise any exception
        return None


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """VOCdevkit/VOC2012, as in torchvision: XMLs, images, lists of splits, and PNGs for images with outlines.

    File names have no folders, as in VOC. Lost: crowds, tags, attributes other than FLAGS and pose, outlines from the
    255th object of an image or the 255th class on; where outlines overlap, the pixels go to the later object.
    """
    home = folder / "VOCdevkit" / "VOC2012"
    written = Written(options={"classes": list(classes), "one_based": True})
    names: dict[str, list[str]] = defaultdict(list)
    stems = _Stems()
    for image in images:
        stem = stems.of(image.path)
        names[image.split].append(stem)
        held = [one for one in image.annotations if is_held(one, written, is_stored)]
        put(home / "JPEGImages" / f"{stem}{Path(image.path).suffix}", image.read())
        tree = tree_of(f"{stem}{Path(image.path).suffix}", image, held)
        put(home / "Annotations" / f"{stem}.xml", text_of(tree))
        if any(one.segmentation is not None for one in held):
            _write_masks(home, stem, image, held, classes, written)
    for split, listed in names.items():
        put(home / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{name}\n" for name in listed).encode())
    return written


class _Stems:
    """Unique names without folders."""

    def __init__(self) -> None:
        self.given: set[str] = set()

    def of(self, path: str) -> str:
        plain = Path(path).with_suffix("").as_posix().replace("/", "_")
        numbered = (f"{plain}-{n}" for n in count(2))
        stem = next(name for name in chain([plain], numbered) if name not in self.given)
        self.given.add(stem)
        return stem


def _write_masks(
    home: Path, stem: str, image: Outgoing, held: list[Annotation], classes: Sequence[str], written: Written
) -> None:
    """Write the maps of objects, numbered as in the XML, and of classes."""
    covered = set[int]()
    maps = {kind: np.zeros((image.height, image.width), np.uint8) for kind in ("Object", "Class")}
    for number, one in enumerate(held, 1):
        kind = classes.index(one.category) + 1
        if one.segmentation is None:
            continue
        if max(number, kind) >= BORDER:
            written.lost["outlines"] += 1
            continue
        mask = masks.rasterized(one.segmentation, image.height, image.width)
        below = np.unique(maps["Object"][mask])
        written.lost[POLYGONS] += not isinstance(one.segmentation, RLE)
        covered |= set(below[below > 0].tolist()) | ({number} if not mask.any() else set())
        maps["Object"][mask], maps["Class"][mask] = number, kind
    written.lost[COVERED] += len(covered)
    for name, numbers in maps.items():
        put(home / f"Segmentation{name}" / f"{stem}.png", png_of(numbers))
