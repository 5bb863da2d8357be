"""Files of sources with objects: finding images, missing and repeated ones; writing them."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.data.annotations import Annotation
from assay.data.records import Issue, Record, Written
from assay.data.text import read_data
from assay.errors import SourceError
from assay.formats import SPLIT_NAMES
from assay.intake.watch import is_image_name
from assay.params import Source

ATTRIBUTES = "attributes of objects"
OUTSIDE = "outside of the source's folder"


def json_of(file: Path, where: str) -> Any:
    """The content of a JSON file. SourceError, beginning with `where`, if it is none, or has a key twice."""
    try:
        return json.loads(read_data(file, SourceError), object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: no JSON: {error}") from None


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"an object has the key {twice!r} twice")
    return held


def files_of(source: Source, place: Path, patterns: Sequence[str]) -> list[Path]:
    """The file `place`, or those below it whose names match a pattern. SourceError if there is none."""
    if not place.is_dir():
        return [place]
    if found := sorted({file for pattern in patterns for file in place.rglob(pattern) if file.is_file()}):
        return found
    raise SourceError(
        f"source {source.name!r}: no {' or '.join(patterns)} in {place}",
        hint="name the file itself, or set options.files",
    )


def path_of(file: Path, base: Path) -> str:
    """The path of a file relative to a folder, with forward slashes; bytes that are no UTF-8 are escaped."""
    path = os.path.relpath(file, base).replace(os.sep, "/")
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def found_image(folder: Path, name: str, base: Path) -> Path | None:
    """The file of that name in a folder, or None. Backslashes count as slashes.

    If there is none, also with %20 and the like decoded, with another form of its accents (NFC, NFD), and inside the
    folder without `..`. Never a file outside of `folder` and of `base`, the source's folder.
    """
    plain = name.replace("\\", "/")
    inside = "/".join(part for part in plain.split("/") if part not in ("..", ""))
    forms = (plain, unquote(plain), *(normalize(form, plain) for form in ("NFC", "NFD")), inside)
    places = (Path(os.path.normpath(folder / form)) for form in dict.fromkeys(forms))
    return next((file for file in places if lies_in(file, folder, base) and is_file(file)), None)


def lies_in(path: Path, *folders: Path) -> bool:
    """Whether a path is that of a folder, or below one, by its name: links inside of the folders may lead out.

    Names in the files of a source come from others; links are made by whoever lays out the folder.
    """
    whole = f"{os.path.abspath(path)}/"  # noqa: PTH100  # asked for each image: five times as fast as a Path
    return any(whole.startswith(os.path.join(os.path.abspath(one), "")) for one in folders)  # noqa: PTH100, PTH118


def is_file(path: Path) -> bool:
    """Whether there is such a file; False for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, has a NUL, or half a character
        return False


def no_such_image(path: str, file: Path, named_in: str, rows: Sequence[str]) -> Record:
    """The record of an image that is missing or outside of the source, named in a file; `rows`: of its objects."""
    is_outside = is_file(file)
    issue = "its image is outside of the source's folder" if is_outside else "its image is not there"
    issues = [Issue(row, issue, "refused") for row in rows]
    skip = f"{OUTSIDE if is_outside else 'missing'}: named in {named_in}"
    file = Path(os.fspath(file).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode())
    return Record(path, file, skip=skip, issues=issues, beside=(os.fspath(file),))


def images_below(folder: Path) -> Iterator[Path]:
    """The images in a folder and below it, without hidden ones, sorted."""
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(top) / name for name in sorted(files) if is_image_name(name) and not name.startswith(".")
        )


def refuse_repeats(source: Source, records: Sequence[Record]) -> None:
    """SourceError for repeated paths: their annotations would contradict each other."""
    twice = sorted(path for path, n in Counter(record.path for record in records).items() if n > 1)
    if twice:
        listed = "\n".join(f"  {path}" for path in twice[:20])
        raise SourceError(
            f"source {source.name!r}: {len(twice):,} images are named twice, nothing was taken in:\n{listed}",
            hint="keep one of them, or make two sources of it",
        )


def split_of(file: Path, base: Path) -> str | None:
    """The split by the topmost folder below `base` that is named like one."""
    parts = file.parent.relative_to(base).parts if file.is_relative_to(base) else ()
    return next((SPLIT_NAMES[part.lower()] for part in parts if part.lower() in SPLIT_NAMES), None)


def put(file: Path, data: bytes) -> None:
    """Write a file, making its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def is_held(
    one: Annotation,
    written: Written,
    stores: Callable[[str, Any], bool] = lambda name, value: False,
    boxes: bool = True,
) -> bool:
    """Whether a format without crowds and tags can store an object; counts the object, and its losses.

    `stores`: whether the format stores an attribute. `boxes`: whether it stores objects without an outline.
    """
    kinds = {"tags": one.is_tag, "crowds": one.iscrowd, "boxes": not boxes and one.segmentation is None}
    if why := next((kind for kind, is_so in kinds.items() if is_so), None):
        written.lost[why] += 1
        return False
    written.objects += 1
    if not all(stores(name, value) for name, value in one.attributes.items()):
        written.lost[ATTRIBUTES] += 1
    return True


def png_of(numbers: NDArray[np.unsignedinteger[Any]]) -> bytes:
    """A grey PNG of a map (height, width) of 8 or 16 bits."""
    stream = io.BytesIO()
    Image.fromarray(numbers).save(stream, "PNG")
    return stream.getvalue()
