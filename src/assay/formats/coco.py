"""COCO's JSON: boxes, polygons, run lengths, crowds.

`path` is one JSON file, or a folder with several (`instances_train2017.json`, `train/_annotations.coco.json`, …),
selected by the option `files`. An image in a file without annotations is labelled, without objects; images in no file
are not read. The split is taken from the name of the file or of its folder. `width` and `height` of an image decide
whether its coordinates refer to the upright or the stored image. `attributes` (texts, numbers, booleans) are kept;
keypoints and captions are not.

The source is refused, with a list of the defects, for a file that is no such JSON, for two images or categories with
one id, for two categories of one name that annotations refer to, and for an image in two files. Annotations without an
image or a category are listed; so are annotations with equal ids: both are read (pycocotools keeps the last one).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.files import write_json
from assay.data.outlines import RLE, Polygons
from assay.data.records import Issue, Outgoing, Record, Written
from assay.errors import SourceError
from assay.formats import SPLIT_NAMES, options_of, place_of
from assay.formats._files import (
    files_of,
    found_image,
    json_of,
    lies_in,
    no_such_image,
    path_of,
    put,
    refuse_repeats,
)
from assay.formats._objects import Sheet, sheet, size_in
from assay.layout import locate
from assay.params import Section, Source

FILES = ["instances*.json", "*annotations*.json", "*coco*.json"]
KEYS = ("images", "annotations", "categories")
BESIDE = (
    "{folder}",
    "{folder}/images",
    "{above}",
    "{above}/images",
    "{above}/{stem}",
    "{above}/images/{stem}",
)
"""Possible folders of the images of a file, the first with one of them is used; `stem`: its name after the first _."""
LABELS = "annotations"
"""Name of a folder beside which there may be images outside of the source's folder: COCO's own layout."""
Said = dict[str, Any]


class Options(Section):
    files: list[str] = FILES
    """The files of a folder: patterns of names, at any depth."""
    images: str | None = None
    """The folder of `file_name`, relative to the project's root; by default it is searched."""
    splits: bool = True
    """False: names of files and folders give no split."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images of the files, sorted by path. SourceError if a file is no COCO JSON."""
    options = options_of(source, Options)
    place = place_of(source, root)
    base = place if place.is_dir() else place.parent
    images = None if options.images is None else locate(root, options.images)
    files = files_of(source, place, options.files)
    records = [record for file in files for record in File(source, file, base, options, images).records()]
    refuse_repeats(source, records)
    return iter(sorted(records, key=lambda record: record.path))


class File:
    """Reader of one JSON file."""

    def __init__(self, source: Source, file: Path, base: Path, options: Options, images: Path | None) -> None:
        self.file, self.base = file, base
        self.name = path_of(file, base)
        self.where = f"source {source.name!r}: {file}"
        self.held = self._parsed()
        self.categories = self._categories()
        self.images = images or self._folder()
        self.again: dict[int, int] = {}
        """Annotation with an id that an earlier one has -> that one."""
        self.split = _split(file, base) if options.splits else None

    def _parsed(self) -> dict[str, list[Said]]:
        held = json_of(self.file, self.where)
        missing = [key for key in KEYS if not isinstance(held, dict) or not _is_rows(held.get(key))]
        if missing:
            raise SourceError(
                f"{self.where}: not in COCO's format: no list of objects {', '.join(missing)}",
                hint="it has to be an instances file: {images: […], annotations: […], categories: […]}",
            )
        self._refuse_twice(held["images"], "images")
        self._refuse_twice(held["categories"], "categories")
        return {key: held[key] for key in KEYS}

    def _refuse_twice(self, rows: list[Said], key: str) -> None:
        """SourceError for rows without an id, or with the same id: references to it would be ambiguous."""
        wrong = [n for n, row in enumerate(rows) if type(row.get("id")) not in (int, str)]
        if wrong:
            raise SourceError(f"{self.where}: {key}[{wrong[0]}] and {len(wrong) - 1} more have no id")
        twice = [str(one) for one, n in Counter(row["id"] for row in rows).items() if n > 1]
        if twice:
            raise SourceError(
                f"{self.where}: {len(twice)} ids of {key} occur twice: {', '.join(twice[:10])}",
                hint="give each its own id: annotations refer to them",
            )

    def _categories(self) -> dict[Any, str]:
        """Id -> name. SourceError if annotations refer to two categories of one name."""
        names = {row["id"]: str(row.get("name", "")).strip() for row in self.held["categories"]}
        ids = defaultdict[str, list[Any]](list)
        for one in dict.fromkeys(_id(row.get("category_id")) for row in self.held["annotations"]):
            if one in names:
                ids[names[one]].append(one)
        if twice := {name: found for name, found in ids.items() if len(found) > 1}:
            listed = "; ".join(
                f"{name!r} has the ids {', '.join(map(str, found))}" for name, found in twice.items()
            )
            raise SourceError(
                f"{self.where}: several categories have one name: {listed}",
                hint="give each its own name, or the annotations one category_id",
            )
        return names

    def _folder(self) -> Path:
        """The folder of the images: see BESIDE."""
        named = [str(row.get("file_name", "")) for row in self.held["images"][:20]]
        named = [name for name in named if name]
        stem = self.file.stem.partition("_")[2] or self.file.stem
        parts = {"folder": self.file.parent, "above": self.file.parent.parent, "stem": stem}
        places = [Path(pattern.format(**parts)) for pattern in BESIDE]
        own = [p for p in places if lies_in(p, self.base) or self.file.parent.name == LABELS]
        return next((p for p in own if any(found_image(p, name, self.base) for name in named)), places[0])

    def records(self) -> Iterator[Record]:
        """A record for each image, and a skipped one for each unknown `image_id` of annotations."""
        of: dict[Any, list[tuple[int, Said]]] = defaultdict(list)
        met: dict[Any, int] = {}
        for n, row in enumerate(self.held["annotations"]):
            if (one := _id(row.get("id"))) is not None and (first := met.setdefault(one, n)) != n:
                self.again[n] = first
            of[_id(row.get("image_id"))].append((n, row))
        for image in self.held["images"]:
            yield self._record(image, of.pop(image["id"], []))
        for missing, rows in of.items():
            yield self._stray(missing, rows)

    def _stray(self, missing: Any, rows: list[tuple[int, Said]]) -> Record:
        why = "no image has this id"
        issues = [Issue(self._row(n, row), f"image_id {missing!r}: {why}", "refused") for n, row in rows]
        return Record(f"{self.name}#image_id={missing}", self.file, skip=f"no image: {why}", issues=issues)

    def _record(self, image: Said, rows: list[tuple[int, Said]]) -> Record:
        name = str(image.get("file_name", ""))
        file = found_image(self.images, name, self.base)
        path = path_of(file or self.images / name, self.base)
        beside = (str(self.file),)
        if file is None or not name:
            return no_such_image(path, self.images / name, self.name, [self._row(*row) for row in rows])
        held = sheet(file, size_in(image))
        for n, row in rows:
            where = self._row(n, row)
            self._add(held, where, row)
            if n in self.again:
                held.issues.append(
                    Issue(where, f"the id of annotations[{self.again[n]}] too: both", "taken", 0)
                )
        return Record(path, file, None, held.annotations, self.split, issues=held.issues, beside=beside)

    def _row(self, n: int, row: Said) -> str:
        return f"{self.name}, annotations[{n}] (id {row.get('id')})"

    def _add(self, held: Sheet, where: str, row: Said) -> None:
        name = self.categories.get(_id(row.get("category_id")))
        if not name:
            return held.refuse(where, f"category_id {row.get('category_id')!r}: no category has this id")
        box, box_trouble = _box(row.get("bbox"))
        outline, trouble = _outline(row.get("segmentation"))
        if box is None and outline is None:
            return held.refuse(where, trouble or box_trouble or "neither a box nor an outline")
        said = {"category": name, "bbox": box, "segmentation": outline}
        said |= {"iscrowd": row.get("iscrowd") in (1, True), "attributes": _attributes(row)}
        before = len(held.notes)
        held.add(where, said)
        if len(held.notes) > before and (why := trouble or box_trouble):
            held.fix(where, f"{why}, left out")
        return None


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _id(value: Any) -> int | str | None:
    """`value` if its type is that of an id, otherwise None."""
    return value if type(value) in (int, str) else None


def _split(file: Path, base: Path) -> str | None:
    """The split by a word of the file's name, otherwise by the name of its folder."""
    words = re.split(r"[^a-z]+", file.stem.lower())
    if file.parent != base:
        words.append(file.parent.name.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _box(value: Any) -> tuple[list[float] | None, str | None]:
    """(box, defect): one of them is None, or both."""
    if value in (None, []):
        return None, None
    sound = isinstance(value, list) and len(value) == 4 and all(type(v) in (int, float) for v in value)
    if sound and min(value[2:]) > 0:  # false for NaN
        return value, None
    return None, f"box {value} has no area" if sound else f"box {value} is not x, y, width, height"


def _outline(value: Any) -> tuple[Any, str | None]:
    """The outline without polygons that have no area, and a text with their number."""
    if not value or not isinstance(value, list):
        return value or None, None
    from assay.data.outlines import encloses

    kept = [ring for ring in value if encloses(ring)]
    gone = len(value) - len(kept)
    return kept or None, f"{gone} of {len(value)} polygons without an area" if gone else None


def _attributes(row: Said) -> dict[str, Any]:
    found = row.get("attributes")
    held = found.items() if isinstance(found, dict) else ()
    return {str(name): value for name, value in held if isinstance(value, str | bool | int | float)}


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """annotations/instances_SPLIT.json with the images in SPLIT/. Polygons with holes become run lengths.

    Lost: tags. An object without a box gets the box of its outline.
    """
    numbers = {name: n for n, name in enumerate(classes, 1)}
    held: dict[str, dict[str, list[Said]]] = {}
    written = Written()
    for n, image in enumerate(images, 1):
        rows = held.setdefault(image.split, {key: [] for key in KEYS[:2]})
        put(folder / image.split / image.path, image.read())
        size = {"width": image.width, "height": image.height}
        rows["images"].append({"id": n, "file_name": image.path, **size})
        for one in image.annotations:
            if one.is_tag:
                written.lost["tags"] += 1
                continue
            written.objects += 1
            about = {"id": written.objects, "image_id": n, "category_id": numbers[one.category]}
            rows["annotations"].append(about | _fields(one, image, written.lost))
    categories = [{"id": n, "name": name} for name, n in numbers.items()]
    for split, rows in held.items():
        write_json(folder / f"annotations/instances_{split}.json", rows | {"categories": categories})
    return written


def _fields(one: Annotation, image: Outgoing, lost: Counter[str]) -> Said:
    said: Said = {"iscrowd": int(one.iscrowd), "bbox": list(one.box or ())}
    if (outline := one.segmentation) is None:
        said["area"] = said["bbox"][2] * said["bbox"][3]
    elif isinstance(outline, RLE):
        said |= {"segmentation": outline.model_dump(mode="json"), "area": masks.area(outline)}
    else:
        mask = masks.rasterized(outline, image.height, image.width)
        said |= {"segmentation": _outline_of(outline, mask, one.iscrowd, lost), "area": int(mask.sum())}
    return said | ({"attributes": dict(one.attributes)} if one.attributes else {})


def _outline_of(outline: Polygons, mask: masks.Mask, iscrowd: bool, lost: Counter[str]) -> Any:
    """Run lengths for crowds and for holes, unless the mask is empty; otherwise the polygons."""
    if iscrowd or any(len(part) > 1 for part in outline):
        lost["polygons of crowds and with holes: their pixels instead"] += 1
        if mask.any():
            return masks.encode(mask).model_dump(mode="json")
    return [list(part[0]) for part in outline]
