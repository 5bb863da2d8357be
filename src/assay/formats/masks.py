"""Masks as images: one map per image, or one PNG per object.

    images/1.png, masks/1.png                  `of: instances`: 0 background, each other number an object
                                               `of: classes`: each number a class, by its position in `classes`
    images/1.png, masks/1/a.png, masks/1/b.png one object per PNG: its pixels are not 0
    1/images/1.png, 1/masks/a.png              the same, with a folder per image

`path` is the folder that contains these. A mask belongs to the image of the same name. An image without a mask is
unlabelled; one with an empty mask is labelled, without objects. The size of a mask decides whether it refers to the
upright or the stored image. Maps are grey (8 or 16 bits) or indexed; colours are refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator

from assay.data import masks
from assay.data.annotations import Annotation
from assay.data.images.refusal import reason
from assay.data.outlines import RLE
from assay.data.records import Outgoing, Record, Written
from assay.errors import SourceError
from assay.formats import options_of, place_of
from assay.formats._files import images_below, is_held, path_of, png_of, put, refuse_repeats
from assay.formats._objects import Sheet, sheet
from assay.formats._shapes import COVERED, OTHER_BOXES, POLYGONS, has_other_box
from assay.params import Section, Source
from assay.params.bounds import within

Numbers = NDArray[np.integer[Any]]


class Options(Section):
    of: Literal["instances", "classes"] = "instances"
    """What the numbers of a map mean."""
    images: str = "images"
    """The folder of images, below `path`."""
    masks: str = "masks"
    """The folder of masks, below `path`."""
    category: Annotated[str, Field(min_length=1)] = "object"
    """The class of all objects, for instances."""
    classes: list[str] = Field(default_factory=list)
    """The names of the numbers, from 0; the first is the background."""
    ignore: Annotated[int, within(0, 65_535)] = 255
    """The number of pixels without a class, for classes."""

    @model_validator(mode="after")
    def _classes_have_names(self) -> Options:
        if self.of == "classes" and len(self.classes) < 2:
            raise ValueError("of: classes needs `classes`: the background's name, and those of 1, 2, …")
        return self


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images, sorted by path. SourceError if the folders are missing."""
    options = options_of(source, Options)
    place = place_of(source, root)
    pairs = list(_pairs(place, options))
    if not pairs:
        raise SourceError(
            f"source {source.name!r}: no image in a folder {options.images!r} below {place}",
            hint="set options.images and options.masks to the names of the two folders",
        )
    records = [_record(file, mask, place, options) for file, mask in pairs]
    records += _strays(place, options, {mask for _, mask in pairs if mask})
    refuse_repeats(source, records)
    return iter(sorted(records, key=lambda record: record.path))


def _pairs(place: Path, options: Options) -> Iterator[tuple[Path, Path | None]]:
    """Each image with its map or the folder of its PNGs, None if it has no mask."""
    own = (place / options.images,) if (place / options.images).is_dir() else ()
    for folder in own or sorted(place.glob(f"*/{options.images}")):
        home = folder.parent / options.masks
        for file in images_below(folder):
            name = file.relative_to(folder).with_suffix("")
            yield file, home if home.is_dir() and not own else _mask_of(home / name)


def _mask_of(stem: Path) -> Path | None:
    if stem.is_dir():
        return stem
    found = (stem.parent / f"{stem.name}{suffix}" for suffix in (".png", ".tif", ".tiff", ".bmp"))
    return next((file for file in found if file.is_file()), None)


def _strays(place: Path, options: Options, used: set[Path]) -> list[Record]:
    """Masks without an image, as skipped records."""
    home = place / options.masks
    if not home.is_dir():
        return []
    found = [file for file in images_below(home) if file not in used and file.parent not in used]
    return [
        Record(path_of(file, place), file, skip="no image: a mask whose image is not there") for file in found
    ]


def _record(file: Path, mask: Path | None, place: Path, options: Options) -> Record:
    path = path_of(file, place)
    if mask is None:
        return Record(path, file)
    files = sorted(images_below(mask)) if mask.is_dir() else [mask]
    held: Sheet | None = None
    for one in files:
        numbers, wrong = _numbers(one)
        if numbers is None:
            held = held or sheet(file)
            held.refuse(path_of(one, place), wrong)
            held.problem = held.problem or (None if mask.is_dir() else wrong)
            continue
        held = held or sheet(file, numbers.shape[::-1])
        _add(held, numbers, path_of(one, place), options, whole=mask.is_dir())
    held = held or sheet(file)
    beside = tuple(map(os.fspath, (mask, *files)))
    return Record(path, file, None, held.annotations, issues=held.issues, beside=beside)


def _add(held: Sheet, numbers: Numbers, where: str, options: Options, whole: bool) -> None:
    """Add the objects of a map; `whole`: the map is one object."""
    if whole:
        numbers = (numbers != 0).astype(np.uint8)
        if not numbers.any():
            return held.refuse(where, "a mask without a pixel")
    for number, rle in masks.by_number(numbers).items():
        name = options.category
        if options.of == "classes" and not whole:
            if number == options.ignore:
                continue
            if number >= len(options.classes):
                held.refuse(where, f"number {number}: options.classes has {len(options.classes)}")
                continue
            name = options.classes[number]
        held.add(where if whole else f"{where}, number {number}", {"category": name, "segmentation": rle})
    return None


def _numbers(file: Path) -> tuple[Numbers | None, str]:
    """(height, width) numbers of a map and ""; or None and the defect."""
    try:
        with Image.open(file) as image:
            if image.mode not in ("P", "L", "1", "I;16", "I;16B", "I"):
                return None, f"a mask of mode {image.mode}: it has to be grey or indexed"
            return np.asarray(image).astype(np.int64), ""
    except Exception as error:  # for a damaged file Pillow may raise any exception
        return None, reason(error)


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """images/ and masks/: maps of instances (16 bits) for one class, of classes for several.

    Lost: boxes without an outline, tags, crowds, attributes, splits; objects beyond 65,535 and classes beyond 254.
    Where outlines overlap, the pixels go to the later object. With several classes, objects of one class are one.
    """
    one_class = len(classes) < 2
    options = {"category": classes[0]} if one_class and classes else {}
    written = Written(
        options=options if one_class else {"of": "classes", "classes": ["background", *classes]}
    )
    for image in images:
        held = [note for note in image.annotations if is_held(note, written, boxes=False)]
        numbers = [n if one_class else classes.index(one.category) + 1 for n, one in enumerate(held, 1)]
        map_ = _map(image, held, numbers, np.dtype(np.uint16 if one_class else np.uint8), written)
        written.lost["objects: one of a class on an image"] += len(numbers) - len(set(numbers))
        written.lost["splits of images"] += 1
        put(folder / "images" / image.path, image.read())
        put((folder / "masks" / image.path).with_suffix(".png"), png_of(map_))
    return written


def _map(
    image: Outgoing,
    held: Sequence[Annotation],
    numbers: Sequence[int],
    kind: np.dtype[np.unsignedinteger[Any]],
    written: Written,
) -> NDArray[np.unsignedinteger[Any]]:
    """The map (height, width) of objects by their numbers; 255 of 8 bits is for pixels without a class."""
    map_ = np.zeros((image.height, image.width), kind)
    most = np.iinfo(kind).max - (kind == np.uint8)
    covered = set[int]()
    for number, one in zip(numbers, held, strict=True):
        if one.segmentation is None or number > most:
            written.lost["objects beyond the numbers of a map"] += 1
            continue
        mask = masks.rasterized(one.segmentation, image.height, image.width)
        covered |= (set(np.unique(map_[mask]).tolist()) - {0, number}) | (set() if mask.any() else {number})
        map_[mask] = number
        written.lost[OTHER_BOXES] += has_other_box(one)
        written.lost[POLYGONS] += not isinstance(one.segmentation, RLE)
    written.lost[COVERED] += len(covered)
    return map_
