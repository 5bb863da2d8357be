"""Create ML's JSON: boxes by their centre, in pixels of the upright image.

    [{"image": "1.jpg",
      "annotations": [{"label": "cat", "coordinates": {"x": 50, "y": 40, "width": 20, "height": 10}}]}]

`path` is the JSON, or a folder with several (`train/_annotations.createml.json`), selected by the option `files`; a
folder named train, val or test gives the split. Images are beside their JSON or in its folder `images`. An annotation
without coordinates is a tag. An image with an empty list is labelled, without objects; images in no file are not read.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.data.files import write_json
from assay.data.records import Outgoing, Record, Written
from assay.errors import SourceError
from assay.formats import options_of, place_of
from assay.formats._files import (
    files_of,
    found_image,
    is_held,
    json_of,
    no_such_image,
    path_of,
    put,
    refuse_repeats,
    split_of,
)
from assay.formats._objects import Sheet, is_pixels, sheet
from assay.params import Section, Source

FILES = ["*createml*.json", "annotations.json"]
NAMES = ("image", "imagefilename")
"""Keys of the name of an image; the second one is of older tools."""
SIDES = ("x", "y", "width", "height")


class Options(Section):
    files: list[str] = FILES
    """The files of a folder: patterns of names, at any depth."""
    splits: bool = True
    """False: names of folders give no split."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images of the files, sorted by path. SourceError if a file is no Create ML JSON."""
    options = options_of(source, Options)
    place = place_of(source, root)
    base = place if place.is_dir() else place.parent
    records = [
        _record(row, n, file, base, options)
        for file in files_of(source, place, options.files)
        for n, row in enumerate(_rows(source, file))
    ]
    refuse_repeats(source, records)
    return iter(sorted(records, key=lambda record: record.path))


def _rows(source: Source, file: Path) -> list[dict[str, Any]]:
    where = f"source {source.name!r}: {file}"
    held = json_of(file, where)
    if isinstance(held, list) and held and all(_is_row(row) for row in held):
        return held
    raise SourceError(
        f"{where}: not in Create ML's format: no list of objects with `image` and `annotations`"
    )


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and bool(_image(row)) and isinstance(row.get("annotations"), list)


def _image(row: dict[str, Any]) -> str:
    return next((str(row[name]) for name in NAMES if row.get(name)), "")


def _record(row: dict[str, Any], number: int, file: Path, base: Path, options: Options) -> Record:
    told, name = _image(row), path_of(file, base)
    rows = [f"{name}, [{number}].annotations[{n}]" for n in range(len(row["annotations"]))]
    image = found_image(file.parent, told, base) or found_image(file.parent / "images", told, base)
    if image is None:
        return no_such_image(path_of(file.parent / told, base), file.parent / told, name, rows)
    held = sheet(image)
    for where, one in zip(rows, row["annotations"], strict=True):
        _add(held, where, one if isinstance(one, dict) else {})
    split = split_of(file, base) if options.splits else None
    beside = (os.fspath(file),)
    return Record(
        path_of(image, base), image, None, held.annotations, split, issues=held.issues, beside=beside
    )


def _add(held: Sheet, where: str, one: Mapping[str, Any]) -> None:
    category = str(one.get("label") or "").strip()
    if (place := one.get("coordinates")) is None:
        return held.add(where, {"category": category})
    values = [place[side] for side in SIDES if side in place] if isinstance(place, dict) else []
    if len(values) < len(SIDES) or not all(map(is_pixels, values)):
        return held.refuse(where, f"coordinates {place} are not {', '.join(SIDES)}")
    x, y, w, h = values
    return held.add(where, {"category": category, "bbox": (x - w / 2, y - h / 2, w, h)})


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """SPLIT/_annotations.createml.json beside the images. Lost: outlines, crowds, attributes."""
    written, held = Written(), defaultdict[str, list[dict[str, Any]]](list)
    for image in images:
        put(folder / image.split / image.path, image.read())
        rows: list[dict[str, Any]] = []
        for one in image.annotations:
            if one.is_tag:
                written.objects += 1
                written.lost["attributes of tags"] += bool(one.attributes)
                rows.append({"label": one.category})
            elif is_held(one, written):
                written.lost["outlines: boxes instead"] += one.segmentation is not None
                x, y, w, h = one.box or (0.0, 0.0, 0.0, 0.0)
                centre = {"x": x + w / 2, "y": y + h / 2, "width": w, "height": h}
                rows.append({"label": one.category, "coordinates": centre})
        held[image.split].append({"image": image.path, "annotations": rows})
    for split, rows in held.items():
        write_json(folder / split / "_annotations.createml.json", rows)
    return written
