"""Change detection by stat: a note (path and stamp) of each file and folder of the last run; no file is opened.

Standard library only: without changes, this is the whole cost of ingest.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BETWEEN = "\0"
OURS = "="
IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif")


UNREADABLE = "unreadable"
"""Prefix of reasons that may be temporary, so that the next run tries again."""
REASONS = {
    errno.ELOOP: "loop: a link that leads to itself",
    errno.ENAMETOOLONG: "too deep: the path is longer than the system takes",
}
"""Permanent reasons by errno: they last until the folder changes."""
Stamp = tuple[int, int, int, int]
"""(size, mtime_ns, ctime_ns, inode). A replaced file may have the old size and mtime, but not the old ctime."""
INODE = 2**63 - 1
"""Mask of an inode that fits into an int64 column."""
NOWHERE: Stamp = (-1, -1, -1, -1)
"""Stamp of a path that does not exist or is not accessible."""


def stamp(found: os.stat_result) -> Stamp:
    """The stamp of a stat result; it changes when the file changes."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & INODE


def is_image_name(name: str) -> bool:
    """Whether a name has the suffix of an image format."""
    return name.lower().endswith(IMAGES)


def unreadable(error: OSError) -> str:
    """The reason why a file or folder cannot be read."""
    return REASONS.get(error.errno or 0) or f"{UNREADABLE}: {error.strerror or type(error).__name__}"


def note(file: str | Path, seen: Stamp) -> str:
    size, mtime, ctime, inode = seen
    return f"{size},{mtime},{ctime},{inode} {file}"


def noted(file: str) -> str:
    """The present note of a file or folder."""
    try:
        found = os.stat(file)  # noqa: PTH116  # called 60,000 times: a Path would double the time
    except OSError:
        return note(file, NOWHERE)
    return f"{found.st_size},{found.st_mtime_ns},{found.st_ctime_ns},{found.st_ino & INODE} {file}"


def noted_own(file: str) -> str:
    """The note of a file under DVC, which may relink or copy it: OURS with size and mtime only."""
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return f"{OURS} {file}"
    return f"{OURS}{found.st_size},{found.st_mtime_ns} {file}"


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; False for a circular link."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def surroundings(top: Path) -> Iterator[str]:
    """Notes of a folder, of all folders below it (links followed, each once), and of the files that are no images.

    A new or deleted name changes its folder; other files may contain labels. Images are noted when they are read.
    """
    met: set[tuple[int, int]] = set()
    rest = [os.fspath(top)]
    while rest:
        folder = rest.pop()
        yield noted(folder)
        try:
            place = Path(folder).stat()
            with os.scandir(folder) as entries:
                found = [(entry.path, is_folder(entry)) for entry in entries]
        except OSError:  # a file, or no permission
            continue
        if (place.st_dev, place.st_ino) not in met:
            met.add((place.st_dev, place.st_ino))
            rest += [path for path, is_inner in found if is_inner]
            yield from (noted(path) for path, is_inner in found if not is_inner and not is_image_name(path))


def everything(top: Path) -> Iterator[str]:
    """Notes of a folder under DVC, and of all files and folders below it."""
    yield noted_own(os.fspath(top))
    yield from (noted_own(os.fspath(file)) for file in sorted(top.rglob("*")))


def remember(memory: Path, key: str, summary: dict[str, Any], notes: Iterable[str]) -> None:
    """Write the result of a run with the notes of all files it depends on."""
    from assay.data.files import write_bytes

    text = BETWEEN.join([json.dumps({"key": key, "summary": summary}), *notes])
    write_bytes(memory, text.encode("utf-8", "surrogateescape"))


def recall(memory: str | Path, key: str) -> dict[str, Any] | None:
    """The result of the last run, if it has this key and no noted file changed since; else None."""
    try:
        with open(memory, "rb") as file:
            head, *notes = file.read().decode("utf-8", "surrogateescape").split(BETWEEN)
        about = json.loads(head)
        if about["key"] != key or not all(map(_is_so, notes)):
            return None
        return about["summary"]  # type: ignore[no-any-return]
    except (OSError, ValueError, LookupError, TypeError):  # a broken cache counts as none
        return None


def _is_so(was: str) -> bool:
    file = was.split(" ", 1)[1]
    return noted(file) == was or noted_own(file) == was
