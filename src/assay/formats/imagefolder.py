"""Folders named after classes, as torchvision's ImageFolder has them; a level of splits above is optional.

    photos/cat/1.jpg                cat
    photos/cat/2024/2.jpg           cat: the first folder is the class
    photos/train/cat/3.jpg          cat, in the train split; also val, valid, validation and test
    photos/4.jpg, photos/test/5.jpg unlabelled
    photos/unlabelled/6.jpg         unlabelled

Every file is a record, also one that is no image (ingest quarantines it with its reason), but for hidden ones
(.name), those that `ignore` names, and pipes and the like. Symbolic links are followed, loops are not.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

from assay.data.edits import Annotation
from assay.data.records import Record
from assay.errors import SourceError
from assay.formats import options_of, place_of
from assay.params import Section, Source

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Name of a folder, in lower case -> split."""

IGNORE = [
    "Thumbs.db",
    "desktop.ini",
    "README*",
    "LICENSE*",
    "*.txt",
    "*.md",
    "*.csv",
    "*.json",
    "*.xml",
    "*.y*ml",
]


class Options(Section):
    splits: bool = True
    """False: `train`, `val` and `test` at the top are classes like others."""
    unlabelled: str = "unlabelled"
    """The folder of images without a label, in the place of a class."""
    ignore: list[str] = IGNORE
    """Patterns of file names to pass over."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images below `source.path`, sorted by path. SourceError if it is no folder or cannot be listed."""
    options = options_of(source, Options)
    folder = place_of(source, root)
    if not folder.is_dir():
        raise SourceError(
            f"source {source.name!r}: {folder} is not a folder", hint="name the folder it is in"
        )
    return Walk(source.name, options).files(os.fspath(folder), Place())


@dataclass(frozen=True)
class Place:
    """Where the walk is: what its folders say, the path so far, and the folders it is in (device, inode)."""

    prefix: str = ""
    split: str | None = None
    annotations: list[Annotation] | None = None
    is_settled: bool = False
    """A folder has said what the label is, or that there is none; those further in say nothing."""
    above: frozenset[tuple[int, int]] = frozenset()


class Walk:
    """One reading of a folder."""

    def __init__(self, name: str, options: Options) -> None:
        self.name, self.options = name, options
        self.is_ignored = re.compile("|".join(map(translate, options.ignore)) or r"(?!)").match

    def files(self, folder: str, place: Place) -> Iterator[Record]:
        """The records in and below a folder; folders sort with their slash, so it is by the whole path."""
        above = place.above | {_identity(Path(folder).stat())}
        for name, entry in sorted(self._list(folder)):
            if not name.endswith("/"):
                if (record := self._record(name, entry, place)) is not None:
                    yield record
            elif _identity(entry.stat()) not in above:
                yield from self.files(entry.path, self._step_in(name, place, above))

    def _list(self, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        yield f"{entry.name}/" if entry.is_dir() else entry.name, entry
        except OSError as error:
            raise SourceError(
                f"source {self.name!r}: {folder} cannot be listed: {error.strerror}",
                hint="give read permission to it, or take the folder out of the source",
            ) from None

    def _record(self, name: str, entry: os.DirEntry[str], place: Place) -> Record | None:
        if self.is_ignored(name):
            return None
        try:
            found = entry.stat()
        except OSError:  # a link to nowhere: ingest says so
            found = None
        if found is not None and not stat.S_ISREG(found.st_mode):
            return None
        path = _readable(f"{place.prefix}{name}")
        return Record(path, entry.path, None, place.annotations, place.split, stat=found)

    def _step_in(self, name: str, place: Place, above: frozenset[tuple[int, int]]) -> Place:
        folder, prefix = name[:-1], f"{place.prefix}{name}"
        if not place.prefix and self.options.splits and folder.lower() in SPLITS:
            return Place(prefix, SPLITS[folder.lower()], above=above)
        if place.is_settled:
            return Place(prefix, place.split, place.annotations, True, above)
        labelled = folder != self.options.unlabelled
        annotations = [Annotation(category=_readable(folder))] if labelled else None
        return Place(prefix, place.split, annotations, True, above)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _readable(path: str) -> str:
    """A path that is text: bytes that are no UTF-8 are spelt out, as surrogates."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()
