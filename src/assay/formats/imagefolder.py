"""Folders named after classes, as in torchvision's ImageFolder, optionally below folders of splits.

    photos/cat/1.jpg                cat
    photos/cat/2024/2.jpg           cat: the first folder is the class
    photos/train/cat/3.jpg          cat, in the train split; also val, valid, validation and test
    photos/4.jpg, photos/test/5.jpg unlabelled
    photos/unlabelled/6.jpg         unlabelled

Every entry is a record. Ingest only counts hidden entries (.name) and those matched by `ignore`. A file that is no
image, a pipe, a folder that cannot be listed, a dangling link and a link to a folder above are quarantined with the
reason. Other links are followed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

from assay.data.annotations import Annotation
from assay.data.records import DANGLING, IGNORED, Outgoing, Record, Written
from assay.errors import SourceError
from assay.formats import SPLIT_NAMES, options_of, place_of
from assay.formats._files import put
from assay.intake.watch import is_folder, is_image_name, unreadable
from assay.params import Section, Source

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
    """False: `train`, `val` and `test` at the top are classes."""
    unlabelled: str = "unlabelled"
    """The folder of images without a label, beside the folders of classes."""
    ignore: list[str] = IGNORE
    """Patterns of file names to ignore; those of the default don't apply to names with the suffix of an image."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The images below `source.path`, sorted by path. SourceError if it is no folder or cannot be listed."""
    options = options_of(source, Options)
    folder = place_of(source, root)
    if not folder.is_dir():
        raise SourceError(
            f"source {source.name!r}: {folder} is not a folder", hint="name the folder it is in"
        )
    try:
        yield from Walk(options).records(os.fspath(folder))
    except OSError as error:
        raise SourceError(
            f"source {source.name!r}: {folder} cannot be listed: {error.strerror}",
            hint="give read permission to it, or remove it from ingest.sources",
        ) from None


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of the walk, with the split and label given by the names of the folders above."""

    identity: tuple[int, int]
    """Device and inode."""
    above: Place | None = None
    prefix: str = ""
    split: str | None = None
    annotations: list[Annotation] | None = None
    is_settled: bool = False
    """Whether a folder above gave the label, or none; the names of folders below then have no meaning."""

    def lies_in(self, identity: tuple[int, int]) -> bool:
        place: Place | None = self
        while place is not None and place.identity != identity:
            place = place.above
        return place is not None


Entry = tuple[str, "os.DirEntry[str]", Place]
"""Name (a folder's ends with a slash), entry, and the folder that contains it."""


class Walk:
    """Reader of one folder."""

    def __init__(self, options: Options) -> None:
        self.options = options
        own = [pattern for pattern in options.ignore if pattern not in IGNORE]
        self._is_own = _matcher(own)
        self._is_usual = _matcher([pattern for pattern in options.ignore if pattern in IGNORE])

    def records(self, top: str) -> Iterator[Record]:
        """All entries in and below a folder, sorted by the whole path: folders sort with their slash.

        OSError if `top` itself cannot be listed.
        """
        rest = _listed(top, Place(_identity(os.stat(top))))  # noqa: PTH116
        while rest:
            name, entry, place = rest.pop()
            if name.startswith(".") or not name.endswith("/"):
                yield self._record(name, entry, place)
                continue
            try:
                inner = self._step_in(name, _identity(entry.stat()), place)
                if place.lies_in(inner.identity):
                    yield _skipped(name, entry, place, "loop: a link to a folder that contains it")
                else:
                    rest += _listed(entry.path, inner)
            except OSError as error:
                yield _skipped(name, entry, place, unreadable(error))

    def _record(self, name: str, entry: os.DirEntry[str], place: Place) -> Record:
        if name.startswith(".") or self._is_ignored(name):
            return _skipped(name, entry, place, IGNORED)
        try:
            found = entry.stat()
        except OSError as error:
            leads_nowhere = isinstance(error, FileNotFoundError) and entry.is_symlink()
            return _skipped(name, entry, place, DANGLING if leads_nowhere else unreadable(error))
        if not stat.S_ISREG(found.st_mode):
            return _skipped(name, entry, place, "not a file")
        path = _readable(f"{place.prefix}{name}")
        return Record(path, entry.path, None, place.annotations, place.split, stat=found)

    def _is_ignored(self, name: str) -> bool:
        return bool(self._is_own(name) or (not is_image_name(name) and self._is_usual(name)))

    def _step_in(self, name: str, identity: tuple[int, int], place: Place) -> Place:
        folder, prefix = name[:-1], f"{place.prefix}{name}"
        if not place.prefix and self.options.splits and folder.lower() in SPLIT_NAMES:
            return Place(identity, place, prefix, SPLIT_NAMES[folder.lower()])
        if place.is_settled:
            return Place(identity, place, prefix, place.split, place.annotations, True)
        labelled = folder != self.options.unlabelled
        annotations = [Annotation(category=_readable(folder))] if labelled else None
        return Place(identity, place, prefix, place.split, annotations, True)


def _listed(folder: str, place: Place) -> list[Entry]:
    """The entries of a folder in reverse order."""
    with os.scandir(folder) as entries:
        named = [(f"{entry.name}/" if is_folder(entry) else entry.name, entry, place) for entry in entries]
    return sorted(named, key=lambda entry: entry[0], reverse=True)


def _skipped(name: str, entry: os.DirEntry[str], place: Place, reason: str) -> Record:
    return Record(_readable(f"{place.prefix}{name}"), entry.path, skip=reason)


def _matcher(patterns: list[str]) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, patterns)) or r"(?!)", re.IGNORECASE).match


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _readable(path: str) -> str:
    """A path as valid text: bytes that are no UTF-8, surrogates in `path`, are escaped."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """SPLIT/CLASS/…: images with one tag. Lost: other images, and those of a class that cannot name a folder."""
    written = Written(format="imagefolder")
    for image in images:
        if len(image.annotations) != 1 or not image.annotations[0].is_tag:
            written.lost["images without one tag"] += 1
        elif not _names_a_folder(name := image.annotations[0].category):
            written.lost["images of a class that cannot name a folder"] += 1
        else:
            written.objects += 1
            written.lost["attributes of tags"] += bool(image.annotations[0].attributes)
            put(folder / image.split / name / image.path, image.read())
    return written


def _names_a_folder(name: str) -> bool:
    return name != Options().unlabelled and not name.startswith(".") and not set("/\\\0") & set(name)
