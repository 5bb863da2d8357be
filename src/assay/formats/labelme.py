"""LabelMe's JSON, one beside each image: rectangles, polygons, masks; flags.

    1.jpg, 1.json    {"imagePath": "1.jpg", "imageWidth": 640, "imageHeight": 480, "flags": {},
                      "shapes": [{"label": "cat", "shape_type": "polygon", "points": [[x, y], …], "group_id": null}]}

Polygons of one label and `group_id` are the parts of one object. A rectangle has two opposite corners in any order, or
four; an oriented rectangle is a polygon. Flags of a shape and its description are attributes, the flags of an image
that are set are tags, and CROWD set marks a crowd. Circles, lines and points are refused by name. An image without a
JSON is unlabelled; a JSON without shapes means that nothing is on its image. The folder train, val or test gives the
split. An image that is only in the JSON (`imageData`) is not read. `imageWidth` and `imageHeight` tell whether
coordinates are of the upright or the stored image.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.files import write_json
from assay.data.masks import Mask
from assay.data.records import Outgoing, Record, Written
from assay.errors import SourceError
from assay.formats import options_of, place_of
from assay.formats._files import (
    ATTRIBUTES,
    found_image,
    images_below,
    json_of,
    no_such_image,
    path_of,
    png_of,
    put,
    refuse_repeats,
    split_of,
)
from assay.formats._objects import Sheet, is_pixels, sheet, size_in
from assay.formats._shapes import OTHER_BOXES, has_other_box, shape_of, with_crowd, without_crowd
from assay.params import Section, Source

Said = dict[str, Any]
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


class Options(Section):
    splits: bool = True
    """False: names of folders give no split."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images below `source.path`, sorted by path. SourceError if there is no JSON of LabelMe."""
    options = options_of(source, Options)
    place = place_of(source, root)
    found = [(file, _said(file)) for file in sorted(place.rglob("*.json"))]
    records = [_record(file, said, place, options) for file, said in found if said is not None]
    if not records:
        raise SourceError(
            f"source {source.name!r}: no .json with shapes below {place}",
            hint="name the folder that contains the images and their JSONs",
        )
    met = {os.fspath(record.file) for record in records if record.file}
    records += [
        Record(path_of(file, place), file, split=split_of(file, place) if options.splits else None)
        for file in images_below(place)
        if os.fspath(file) not in met
    ]
    refuse_repeats(source, records)
    return iter(sorted(records, key=lambda record: record.path))


def _said(file: Path) -> Said | None:
    """The content of a JSON; {} for one that cannot be read, None for that of something else."""
    try:
        held = json_of(file, file.name)
    except SourceError:
        return {}
    shapes = held.get("shapes") if isinstance(held, dict) else None
    return held if isinstance(shapes, list) and "imagePath" in held else None


def _record(file: Path, said: Said, place: Path, options: Options) -> Record:
    name = path_of(file, place)
    if not said:
        return Record(name, file, skip="no JSON: it cannot be parsed")
    told = str(said["imagePath"])
    beside = [file.stem + suffix for suffix in SUFFIXES]
    image = next((found for one in (told, *beside) if (found := found_image(file.parent, one, place))), None)
    rows = [f"{name}, shapes[{n}]" for n in range(len(said["shapes"]))]
    if image is None:
        return no_such_image(path_of(file.parent / told, place), file.parent / told, name, rows)
    held = sheet(image, size_in(said, "imageWidth", "imageHeight"))
    for where, shapes in _objects(rows, said["shapes"]):
        _add(held, where, shapes)
    for tag in _set(said.get("flags")):
        held.add(f"{name}, flags", {"category": tag})
    split = split_of(file, place) if options.splits else None
    return Record(
        path_of(image, place), image, None, held.annotations, split, issues=held.issues, beside=(str(file),)
    )


def _objects(rows: Sequence[str], shapes: Sequence[Any]) -> Iterable[tuple[str, list[Said]]]:
    """The shapes of each object, with the place of the first: polygons of one label and group are one object."""
    groups: dict[Any, tuple[str, list[Said]]] = {}
    for n, (where, shape) in enumerate(zip(rows, shapes, strict=True)):
        held = shape if isinstance(shape, dict) else {}
        is_part = held.get("group_id") is not None and held.get("shape_type") in (None, "polygon")
        key = (str(held.get("label")), str(held["group_id"])) if is_part else n
        groups.setdefault(key, (where, []))[1].append(held)
    return groups.values()


def _add(held: Sheet, where: str, shapes: Sequence[Said]) -> None:
    first = shapes[0]
    kind = str(first.get("shape_type") or "polygon")
    if kind not in SHAPES:
        return held.refuse(where, f"{kind} is none of {', '.join(SHAPES)}")
    try:
        parts = [SHAPES[kind](shape, held) for shape in shapes]
    except ValueError as error:
        return held.refuse(where, str(error))
    fields = (
        parts[0] if len(parts) == 1 else {"segmentation": [ring for p in parts for ring in p["segmentation"]]}
    )
    flags = first.get("flags")
    held_flags = flags.items() if isinstance(flags, dict) else ()
    attributes: Said = {k: v for k, v in held_flags if isinstance(v, bool)}
    if description := first.get("description"):
        attributes["description"] = str(description)
    category = str(first.get("label") or "").strip()
    return held.add(where, {"category": category} | fields | without_crowd(attributes))


def _set(flags: Any) -> list[str]:
    return [str(name) for name, is_set in flags.items() if is_set is True] if isinstance(flags, dict) else []


def _points(shape: Said) -> list[tuple[float, float]]:
    points = shape.get("points")
    is_pairs = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 for point in points
    )
    if not is_pairs or not all(is_pixels(v) for point in points or () for v in point):
        raise ValueError("points are no pairs of numbers")
    return [(float(x), float(y)) for x, y in points or ()]


def _polygon(shape: Said, held: Sheet) -> Said:
    return {"segmentation": [[v for point in _points(shape) for v in point]]}


def _rectangle(shape: Said, held: Sheet) -> Said:
    points = _points(shape)
    if len(points) not in (2, 4):
        raise ValueError(f"a rectangle of {len(points)} points: it has two opposite corners, or four")
    across, down = zip(*points, strict=True)
    return {"bbox": (min(across), min(down), max(across) - min(across), max(down) - min(down))}


def _mask(shape: Said, held: Sheet) -> Said:
    """A mask in its box; `points` are the first and the last pixel."""
    x, y, w, h = _rectangle(shape, held)["bbox"]
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape.get("mask") or "", validate=True))) as image:
            size = image.size
            inside = np.asarray(image.convert("L")) != 0 if size == (round(w) + 1, round(h) + 1) else None
    except Exception:  # for a damaged image Pillow may raise any exception
        raise ValueError("mask is no image in base64") from None
    if inside is None:
        raise ValueError("mask is of another size than its points")
    width, height = held.pixels
    left, top = round(x), round(y)
    if min(left, top) < 0 or left + inside.shape[1] > width or top + inside.shape[0] > height:
        raise ValueError(f"mask extends beyond the image of {width} × {height} px")
    whole = np.zeros((height, width), bool)
    whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return {"segmentation": masks.encode(whole)}


SHAPES: dict[str, Callable[[Said, Sheet], Said]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "oriented_rectangle": _polygon,
    "mask": _mask,
}


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """SPLIT/…, each image with its JSON beside it. Objects with holes, or of run lengths, become masks.

    Lost: attributes other than booleans and `description`, boxes other than that of their outline.
    """
    written = Written()
    for image in images:
        file = folder / image.split / image.path
        put(file, image.read())
        written.objects += len(image.annotations)
        objects = [one for one in image.annotations if not one.is_tag]
        tags = [one for one in image.annotations if one.is_tag]
        written.lost["attributes of tags"] += sum(bool(one.attributes) for one in tags)
        shapes = [shape for n, one in enumerate(objects, 1) for shape in _written(one, n, image, written)]
        said: Said = {"version": "5.5.0", "imagePath": file.name, "imageData": None, "shapes": shapes}
        said |= {"flags": {one.category: True for one in tags}}
        said |= {"imageWidth": image.width, "imageHeight": image.height}
        write_json(file.with_suffix(".json"), said)
    return written


def _written(one: Annotation, number: int, image: Outgoing, written: Written) -> list[Said]:
    """The shapes of an object: one for each of its parts."""
    attributes = with_crowd(one)
    flags = {k: v for k, v in attributes.items() if isinstance(v, bool) and k != "description"}
    description = str(attributes.get("description", ""))
    if attributes != flags | ({"description": description} if description else {}):
        written.lost[ATTRIBUTES] += 1
    about = {"label": one.category, "group_id": None, "flags": flags, "description": description}
    outline = one.segmentation
    if isinstance(outline, tuple) and len(outline) > 1 and all(len(part) == 1 for part in outline):
        written.lost[OTHER_BOXES] += has_other_box(one)
        return [about | {"group_id": number} | _of_ring(part[0]) for part in outline]
    shape = shape_of(one, image.width, image.height, written.lost)
    if shape.mask is not None:
        return [about | _of_mask(shape.mask)]
    if shape.ring is not None:
        return [about | _of_ring(shape.ring)]
    x, y, w, h = shape.box or (0.0, 0.0, 0.0, 0.0)
    return [about | {"shape_type": "rectangle", "points": [[x, y], [x + w, y + h]]}]


def _of_ring(ring: Sequence[float]) -> Said:
    return {"shape_type": "polygon", "points": [list(p) for p in zip(ring[::2], ring[1::2], strict=True)]}


def _of_mask(mask: Mask) -> Said:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    (top, bottom), (left, right) = ((int(found[0]), int(found[-1])) for found in (rows, columns))
    inside = mask[top : bottom + 1, left : right + 1].astype(np.uint8)
    png = base64.b64encode(png_of(inside)).decode()
    return {"shape_type": "mask", "points": [[left, top], [right, bottom]], "mask": png}
