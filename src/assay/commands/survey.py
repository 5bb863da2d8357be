"""Survey of a source for `assay init`: counts, classes, sizes."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from assay import plugins
from assay.data.annotations import Annotation
from assay.data.records import Record
from assay.params import Source
from assay.params.base import SPLITS

COLOURLESS = 8
"""Largest difference of two channels of a gray pixel, of 255: JPEG rounds."""
DECODED = 128
"""px of the longer side up to which an image is decoded to see whether it has colours."""
LOOKED_AT = 200
"""Most images whose size is read, evenly spread over the source."""


@dataclass(frozen=True)
class Survey:
    """Content of a source. `side`: median of the longer sides in px; None if no image could be read."""

    images: int
    bytes: int
    labelled: int = 0
    """Images with labels; an empty list of objects is one."""
    objects: int = 0
    """With a box or an outline."""
    outlined: int = 0
    """Of these with an outline."""
    most_of_a_class: int = 0
    """Objects of one class on one image, at most."""
    small: float | None = None
    """px, the side of a typical object (median of √area) of the class whose objects are smallest."""
    tags: int = 0
    """Most classes that an image is labelled with."""
    classes: dict[str, int] = field(default_factory=dict)
    """Objects of each class; without objects, images of each."""
    splits: dict[str, int] = field(default_factory=dict)
    side: int | None = None
    gray: bool = False


def survey(source: Source, root: Path) -> Survey:
    """List a source as ingest does, and read the sizes of some images. SourceError as in ingest."""
    return surveyed(plugins.load("formats", source.format).read(source, root))


def surveyed(found: Iterable[Record]) -> Survey:
    """The survey of the records of a source."""
    records = [record for record in found if record.skip is None]
    step = max(1, len(records) // LOOKED_AT)
    looked = [size for record in records[::step] if (size := _look(record))]
    objects = [[note for note in r.annotations or () if not note.is_tag] for r in records]
    return Survey(
        images=len(records),
        bytes=sum(_size(record) for record in records),
        labelled=sum(r.annotations is not None for r in records),
        objects=sum(map(len, objects)),
        outlined=sum(note.segmentation is not None for notes in objects for note in notes),
        most_of_a_class=max((n for notes in objects for n in Counter(_names(notes)).values()), default=0),
        small=_small(note for notes in objects for note in notes),
        tags=max((len({note.category for note in r.annotations or ()}) for r in records), default=0),
        classes=_counts(objects if any(objects) else [r.annotations or () for r in records]),
        splits=dict(Counter(record.split for record in records if record.split)),
        side=round(median(side for side, _ in looked)) if looked else None,
        gray=bool(looked) and all(gray for _, gray in looked),
    )


def _counts(annotations: Iterable[Iterable[Annotation]]) -> dict[str, int]:
    return dict(sorted(Counter(name for notes in annotations for name in _names(notes)).items()))


def _names(notes: Iterable[Annotation]) -> list[str]:
    return [note.category for note in notes]


def _small(objects: Iterable[Annotation]) -> float | None:
    sides: dict[str, list[float]] = {}
    for note in objects:
        if note.box is not None:
            sides.setdefault(note.category, []).append(sqrt(note.box[2] * note.box[3]))
    return min(map(median, sides.values()), default=None)


def _look(record: Record) -> tuple[int, bool] | None:
    """(longer side in px, whether it is gray); None if the file is not an image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # only the size of a large one is read
            with Image.open(io.BytesIO(record.data) if record.data else str(record.file)) as image:
                return max(image.size), _is_gray(image)
    except Exception:
        return None


def _is_gray(image: Image.Image) -> bool:
    """Whether an image is stored as gray, or is a small one that is stored in colour and shows none."""
    if image.mode in ("1", "L", "I;16", "LA"):
        return True
    if max(image.size) > DECODED:
        return False
    return int(np.ptp(np.asarray(image.convert("RGB"), np.int16), axis=2).max()) <= COLOURLESS


def _size(record: Record) -> int:
    try:
        return len(record.data) if record.data else Path(str(record.file)).stat().st_size
    except OSError:
        return 0


def counted(found: Survey) -> str:
    classes = f"{len(found.classes):,} class{'es' * (len(found.classes) != 1)}"
    if len(found.classes) > 1:
        classes += f" ({min(found.classes.values()):,} to {max(found.classes.values()):,} each)"
    splits = f", splits {', '.join(f'{k} {v:,}' for k, v in found.splits.items())}" if found.splits else ""
    side = f", {found.side} px{', gray' if found.gray else ''}" if found.side else ""
    what = f", {found.objects:,} objects of" if found.objects else " in"
    images = f"{found.images:,} images ({found.bytes / 1e6:,.0f} MB), {found.labelled:,} labelled"
    return f"{images}{what} {classes}{splits}{side}"


def without_labels(found: Survey, names: Iterable[str] = SPLITS) -> list[str]:
    """Reasons why a first training is not possible, as sentences; [] if it is."""
    if not found.images:
        return ["it has no images"]
    if len(found.classes) < (1 if found.objects else 2):
        return [
            f"{len(found.classes)} classes are labelled: `dvc repro` goes as far as the queue, label some first"
        ]
    return []
