"""YOLO's text files: boxes and polygons relative to the image's width and height.

    data.yaml                  path, train, val, test (a folder, a list of them, or a .txt of paths), names, nc
    images/train/1.jpg         labels/train/1.txt: one object per line
    7 0.5 0.5 0.2 0.1          class, centre x, y, width, height
    7 0.1 0.1 0.4 0.1 0.4 0.3  class, corners of a polygon; of four, also a rotated box (OBB)

`path` is data.yaml, or its folder. A folder that is not below `path:` of the YAML is searched beside the YAML, as tools
often write a path of another machine; so is an image of a list, by as much of the end of its path as is there. Without
a YAML, obj.data (Darknet, CVAT) or classes.txt (Label Studio, LabelImg) names the classes. Images outside of the folder
of the YAML are read only if they are in that of the option `images`. An image with an empty text is labelled, without
objects. An image without a text is unlabelled, or has no objects with `without_text: nothing`. Coordinates refer to the
upright image. A folder that is both train and val gives no split. Folders of classes are read by `imagefolder`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from assay.data.annotations import Annotation
from assay.data.contours import as_one_ring, polygons_of
from assay.data.masks import rasterized
from assay.data.outlines import RLE, Polygons, Ring
from assay.data.records import Outgoing, Record, Written
from assay.data.text import read_text
from assay.errors import SourceError
from assay.formats import SPLIT_NAMES, imagefolder, options_of, place_of
from assay.formats._files import OUTSIDE, images_below, is_file, is_held, lies_in, path_of, put
from assay.formats._objects import Sheet, sheet
from assay.formats._shapes import OTHER_BOXES, has_other_box
from assay.layout import is_there, locate
from assay.params import Section, Source

YAMLS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
CLASS_LISTS = ("classes.txt", "labels/classes.txt")
BOX, POLYGON = 5, 7
"""Length of a line, in numbers: that of a box, and the least of a polygon."""
LARGEST_SHARE = 2.0
"""Relative coordinates above this are taken for pixels, and refused."""


class Options(Section):
    images: str | None = None
    """The folder to which train, val and test are relative, relative to the project's root; instead of `path:`."""
    names: list[str] = Field(default_factory=list)
    """The classes from 0, if no YAML names them."""
    without_text: Literal["unlabelled", "nothing"] = "unlabelled"
    """Meaning of an image without a text."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images of all splits, sorted by path. SourceError if no YAML locates them."""
    options = options_of(source, Options)
    images = None if options.images is None else locate(root, options.images)
    reading = Reading(source, place_of(source, root), options, images)
    return iter(sorted(reading.records(), key=lambda record: record.path))


class Reading:
    """Reader of one data set."""

    def __init__(self, source: Source, place: Path, options: Options, images: Path | None) -> None:
        self.where, self.options = f"source {source.name!r}: {place}", options
        self.home = place if place.is_dir() else place.parent
        self.folders = (self.home,) if images is None else (images, self.home)
        """The images are in these."""
        self.yaml = _yaml_in(place) if place.is_dir() else place
        self.said = self._said()
        self.names = self._names()

    def _said(self) -> dict[str, Any]:
        if self.yaml is None:
            if (said := self._without_yaml()) is not None:
                return said
            raise SourceError(
                f"{self.where}: no {' or '.join(YAMLS)}",
                hint="name the YAML; or, with images/ and labels/ but no YAML, set options.names; "
                "folders named after classes are read by format: imagefolder",
            )
        try:
            said = yaml.safe_load(read_text(self.yaml, SourceError))
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: the 45th of a month
            raise SourceError(f"{self.yaml}: no YAML: {str(error).splitlines()[0]}") from None
        if not isinstance(said, dict):
            raise SourceError(f"{self.yaml}: not a YAML of YOLO: no keys train, val, names")
        return said

    def _without_yaml(self) -> dict[str, Any] | None:
        """What a YAML would say, by obj.data or by classes.txt; None without them and without options.names."""
        if data := next(iter(sorted(self.home.glob("*.data"))), None):
            pairs = (line.partition("=") for line in read_text(data, SourceError).splitlines())
            said = {key.strip(): value.strip() for key, mark, value in pairs if mark}
            names = _lines(self.home / Path(said.pop("names", "obj.names")).name)
            return {**said, "names": names}
        images = "images" if (self.home / "images").is_dir() else "."
        if (listed := next((file for file in self._class_lists() if is_file(file)), None)) is not None:
            return {"train": images, "names": _lines(listed)}
        return {"train": images} if images == "images" and self.options.names else None

    def _class_lists(self) -> Iterator[Path]:
        return (self.home / name for name in CLASS_LISTS)

    def _names(self) -> dict[int, str]:
        """Number -> class. SourceError without names, and for two numbers of one name."""
        found = self.said.get("names") or self.options.names
        held = dict(enumerate(found)) if isinstance(found, list) else found
        if not held or not isinstance(held, dict) or not all(map(_is_number, held)):
            raise SourceError(f"{self.where}: names: neither a list nor numbers with names")
        if lists := [key for key, name in held.items() if isinstance(name, list | dict)]:
            raise SourceError(f"{self.where}: names: that of {lists[0]} is no text")
        names = {int(key): str(name) for key, name in held.items()}
        of: dict[str, list[int]] = {}
        for number, name in names.items():
            of.setdefault(name, []).append(number)
        if twice := [
            f"{name!r} is {' and '.join(map(str, same))}" for name, same in of.items() if len(same) > 1
        ]:
            raise SourceError(
                f"{self.where}: names: several numbers have one name: {'; '.join(twice)}",
                hint="give each its own name",
            )
        return names

    def records(self) -> Iterator[Record]:
        """A record for each image, and for each text without an image."""
        claims: dict[Path, set[str]] = {}
        folders: set[Path] = set()
        for split in ("train", "val", "valid", "test"):
            for file, folder in self._images(self.said.get(split)):
                claims.setdefault(file, set()).add(SPLIT_NAMES[split])
                folders.add(folder)
        if not claims:
            raise SourceError(
                f"{self.where}: no image in train, val or test: "
                f"{', '.join(_shown(self.said.get(split)) for split in ('train', 'val', 'test'))}",
                hint="they are relative to `path:` of the YAML, or to the folder of the YAML",
            )
        beside = tuple(map(os.fspath, sorted(folders)))
        for file, splits in claims.items():
            claimed = None if self.yaml is None or len(splits) > 1 else next(iter(splits))
            yield self._record(file, claimed, beside)
        yield from self._strays({_text_at(file) for file in claims})

    def _images(self, said: Any) -> Iterator[tuple[Path, Path]]:
        """Images of a split, each with the folder or list that contains it."""
        for name in said if isinstance(said, list) else [said] if said else []:
            place = self._found(name) if isinstance(name, str) else None
            if place is not None and is_file(place):
                lines = read_text(place, SourceError).split("\n")
                yield from ((self._listed(place, line.strip()), place) for line in lines if line.strip())
            elif place is not None:
                yield from ((file, place) for file in images_below(place))

    def _listed(self, listing: Path, line: str) -> Path:
        """An image of a list, by its path or the end of it, relative to the list or to a folder of the images."""
        parts = line.replace("\\", "/").split("/")
        tries = (
            Path(os.path.normpath(start / "/".join(parts[n:])))
            for n in range(len(parts))
            for start in (listing.parent, *self.folders)
        )
        first = Path(os.path.normpath(listing.parent / "/".join(parts)))
        return next((file for file in tries if lies_in(file, *self.folders) and is_file(file)), first)

    def _found(self, name: str) -> Path | None:
        """A folder or list, relative to `path:` or to the YAML's folder, there also without the `../` of exports."""
        top = Path(str(self.said.get("path") or ""))
        bare = name.removeprefix("../").removeprefix("./")
        found = [
            Path(os.path.normpath(folder / one))
            for folder in self.folders
            for one in (top / name, name, bare, Path(name).name)
        ]
        if place := next((p for p in found if lies_in(p, *self.folders) and is_there(p)), None):
            return place
        if place := next(filter(is_there, found), None):
            raise SourceError(
                f"{self.where}: {name} is {place}, {OUTSIDE}",
                hint="images from there are read with options.images, the folder to which train, val and test "
                "are relative",
            )
        return None

    def _record(self, file: Path, split: str | None, beside: tuple[str, ...]) -> Record:
        path = path_of(file, self.home)
        text = _text_at(file)
        beside = (*beside, os.fspath(text))
        if not is_file(file) or not lies_in(file, *self.folders):
            why = OUTSIDE if is_file(file) else "missing"
            return Record(path, file, skip=f"{why}: named in a list of images", beside=beside)
        if not text.is_file():
            nothing: list[Annotation] | None = [] if self.options.without_text == "nothing" else None
            return Record(path, file, None, nothing, split, beside=beside)
        held = sheet(file)
        self._read_text(held, text)
        return Record(path, file, None, held.annotations, split, issues=held.issues, beside=beside)

    def _read_text(self, held: Sheet, text: Path) -> None:
        name, met = path_of(text, self.home), dict[str, int]()
        for n, line in enumerate(read_text(text, SourceError).split("\n"), 1):
            words = line.split()
            if not words:
                continue
            where = f"{name}, line {n}"
            if (first := met.setdefault(" ".join(words), n)) != n:
                held.refuse(where, f"the same as line {first}")
            elif isinstance(said := self._object(words, held), str):
                held.refuse(where, said)
            else:
                held.add(where, said)

    def _object(self, words: Sequence[str], held: Sheet) -> dict[str, Any] | str:
        """The fields of a line, or its defect."""
        try:
            number, shares = float(words[0]), [float(word) for word in words[1:]]
        except ValueError:
            return f"{' '.join(words)[:40]!r} is not a class and numbers"
        if not number.is_integer() or int(number) not in self.names:
            return f"class {words[0][:40]}: the last name is that of {max(self.names, default=-1)}"
        if len(words) != BOX and (len(words) < POLYGON or len(words) % 2 == 0):
            return f"{len(words)} numbers are neither a box (5) nor a polygon (7, 9, …)"
        if any(abs(share) > LARGEST_SHARE for share in shares):
            return "coordinates are not relative to the image's width and height: they are in pixels"
        width, height = held.frame.upright if held.frame else (1, 1)
        return {"category": self.names[int(number)], **_placed(shares, width, height)}

    def _strays(self, used: set[Path]) -> Iterator[Record]:
        """Texts without an image, as skipped records."""
        for folder in sorted({text.parent for text in used}):
            for text in sorted(folder.glob("*.txt")) if "labels" in folder.parts else ():
                if text not in used and text.name != "classes.txt":
                    yield Record(
                        path_of(text, self.home), text, skip="no image: a text whose image is not there"
                    )


def _shown(place: Any) -> str:
    """A folder or list as the YAML names it; of anything else, which may be long, its type."""
    return place[:200] if isinstance(place, str) else "None" if place is None else f"a {type(place).__name__}"


def _is_number(key: Any) -> bool:
    return (type(key) is int and key >= 0) or (isinstance(key, str) and key.isdecimal() and key.isascii())


def _placed(shares: list[float], width: int, height: int) -> dict[str, Any]:
    """A box or a polygon in pixels, to ten decimals: exact after a division and a multiplication by the size."""
    across, down = ([round(v * side, 10) for v in shares[k::2]] for k, side in enumerate((width, height)))
    if len(shares) > 4:
        return {"segmentation": [[v for corner in zip(across, down, strict=True) for v in corner]]}
    (x, w), (y, h) = across, down
    return {"bbox": (x - w / 2, y - h / 2, w, h)}


def _yaml_in(folder: Path) -> Path | None:
    named = [folder / name for name in YAMLS]
    return next((file for file in [*named, *sorted(folder.glob("*.y*ml"))] if file.is_file()), None)


def _lines(file: Path) -> list[str]:
    """The classes of a text with one a line."""
    return [line.strip() for line in read_text(file, SourceError).rstrip().split("\n")]


def _text_of(image: Path) -> Path:
    """labels/…/1.txt for images/…/1.jpg (the last folder `images`); without such a folder, beside the image."""
    parts = list(image.with_suffix(".txt").parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return Path(*parts)


def _text_at(image: Path) -> Path:
    """The text of an image: that of `_text_of`, or one beside it, as a folder above may be called images by chance."""
    usual, beside = _text_of(image), image.with_suffix(".txt")
    return beside if beside.is_file() and not usual.is_file() else usual


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """data.yaml, images/SPLIT and labels/SPLIT; if all annotations are tags, the folders of `imagefolder`.

    With any outline all objects are written as polygons, as trainers don't accept both. Lost: crowds, attributes, tags
    beside objects, repeated objects; with outlines, boxes (their corners are written), and parts and holes, which are
    joined to one ring.
    """
    held = list(images)
    notes = [note for image in held for note in image.annotations]
    if notes and all(note.is_tag for note in notes):
        return imagefolder.write(held, classes, folder)
    written, numbers = Written(), {name: n for n, name in enumerate(classes)}
    outlined = any(note.segmentation is not None for note in notes)
    for image in held:
        lines = [
            _line(one, numbers, image, outlined, written)
            for one in image.annotations
            if is_held(one, written)
        ]
        written.lost["repeated objects"] += len(lines) - len(set(lines))
        put(folder / "images" / image.split / image.path, image.read())
        text = _text_of(folder / "images" / image.split / image.path)
        put(text, "".join(f"{line}\n" for line in dict.fromkeys(lines)).encode())
    said: dict[str, Any] = {"path": "."}
    said |= {split: f"images/{split}" for split in dict.fromkeys(image.split for image in held)}
    said |= {"names": dict(enumerate(classes))}
    put(folder / "data.yaml", yaml.safe_dump(said, sort_keys=False, allow_unicode=True).encode())
    return written


def _line(
    one: Annotation, numbers: Mapping[str, int], image: Outgoing, outlined: bool, written: Written
) -> str:
    x, y, w, h = one.box or (0, 0, 0, 0)
    pixels: Sequence[float] = (x + w / 2, y + h / 2, w, h)
    if (outline := one.segmentation) is not None:
        pixels = _ring_of(outline, image, written)
        written.lost[OTHER_BOXES] += has_other_box(one)
    elif outlined:
        pixels = (x, y, x + w, y, x + w, y + h, x, y + h)
        written.lost["boxes: their corners as polygons instead"] += 1
    shares = [value / (image.height if n % 2 else image.width) for n, value in enumerate(pixels)]
    return " ".join([str(numbers[one.category]), *map(repr, shares)])


def _ring_of(outline: Polygons | RLE, image: Outgoing, written: Written) -> Ring:
    """A polygon of one part unchanged; for parts, holes or run lengths, one ring around the same pixels."""
    if not isinstance(outline, RLE) and len(outline) == len(outline[0]) == 1:
        return outline[0][0]
    found = polygons_of(rasterized(outline, image.height, image.width))
    parts = found or (() if isinstance(outline, RLE) else outline)
    joined = parts if isinstance(outline, RLE) else outline
    written.lost["parts and holes: one ring instead"] += sum(map(len, joined)) > 1
    return as_one_ring(parts)
