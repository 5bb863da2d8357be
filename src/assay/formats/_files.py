"""The files that a source of objects names: found, missing, named twice."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.data.records import Issue, Record
from assay.errors import SourceError
from assay.intake.watch import is_image_name
from assay.params import Source


def path_of(file: Path, base: Path) -> str:
    """A file's path from a folder on, with forward slashes; bytes that are no UTF-8 spelt out."""
    path = os.path.relpath(file, base).replace(os.sep, "/")
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def found_image(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder; None if there is none. Backslashes are taken for slashes."""
    file = folder / name.replace("\\", "/")
    return Path(os.path.normpath(file)) if file.is_file() else None


def no_such_image(path: str, file: Path, named_in: str, rows: Sequence[str]) -> Record:
    """The record of an image that is named and not there; `rows`: where its objects are named."""
    issues = [Issue(row, "its image is not there", "refused") for row in rows]
    return Record(path, file, skip=f"missing: named in {named_in}", issues=issues, beside=(os.fspath(file),))


def images_below(folder: Path) -> Iterator[Path]:
    """The images in a folder and below it, hidden ones left out, sorted."""
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(top) / name for name in sorted(files) if is_image_name(name) and not name.startswith(".")
        )


def refuse_repeats(source: Source, records: Sequence[Record]) -> None:
    """SourceError for paths that are there twice: they would say different things of one image."""
    twice = sorted(path for path, n in Counter(record.path for record in records).items() if n > 1)
    if twice:
        listed = "\n".join(f"  {path}" for path in twice[:20])
        raise SourceError(
            f"source {source.name!r}: {len(twice):,} images are named twice, nothing was taken in:\n{listed}",
            hint="keep one of them, or make two sources of it",
        )
