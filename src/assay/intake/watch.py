"""Has anything moved since the last look? A stat for each file and folder that was seen; nothing is opened.

Standard library only: where nothing is new, this is all that ingest costs.
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
"""How the reason begins where another look may find what could not be read."""
REASONS = {
    errno.ELOOP: "loop: a link that leads to itself",
    errno.ENAMETOOLONG: "too deep: the path is longer than the system takes",
}
"""What stays so until somebody changes the folder."""
Stamp = tuple[int, int, int, int]
"""Size, mtime_ns, ctime_ns and inode. Whoever replaces a file can give it the old size and mtime, not the old ctime."""
INODE = 2**63 - 1
"""The bits of an inode that a column of whole numbers takes."""
NOWHERE: Stamp = (-1, -1, -1, -1)
"""Of what is not there, or may not be asked."""


def stamp(found: os.stat_result) -> Stamp:
    """What changes when a file does."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & INODE


def is_image_name(name: str) -> bool:
    """Whether a name ends as an image's does."""
    return name.lower().endswith(IMAGES)


def unreadable(error: OSError) -> str:
    """Why a file or folder cannot be read."""
    return REASONS.get(error.errno or 0) or f"{UNREADABLE}: {error.strerror or type(error).__name__}"


def note(file: str | Path, seen: Stamp) -> str:
    size, mtime, ctime, inode = seen
    return f"{size},{mtime},{ctime},{inode} {file}"


def noted(file: str) -> str:
    """The note of a file or folder as it is now."""
    try:
        found = os.stat(file)  # noqa: PTH116  # sixty thousand times: a Path, or a call more, would be felt
    except OSError:
        return note(file, NOWHERE)
    return f"{found.st_size},{found.st_mtime_ns},{found.st_ctime_ns},{found.st_ino & INODE} {file}"


def noted_own(file: str) -> str:
    """That of a file of ours, which DVC may link anew or replace by a copy: size and time alone, behind OURS."""
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return f"{OURS} {file}"
    return f"{OURS}{found.st_size},{found.st_mtime_ns} {file}"


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself is neither."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def surroundings(top: Path) -> Iterator[str]:
    """Notes of a folder and all below it, links followed, each once, and of the files there that are no images.

    A name that comes or goes changes its folder; labels may be in any other file. Images are noted by who reads them.
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
        except OSError:  # a file, or not ours to list
            continue
        if (place.st_dev, place.st_ino) not in met:
            met.add((place.st_dev, place.st_ino))
            rest += [path for path, is_inner in found if is_inner]
            yield from (noted(path) for path, is_inner in found if not is_inner and not is_image_name(path))


def everything(top: Path) -> Iterator[str]:
    """Notes of a folder of ours, and of all files and folders below it."""
    yield noted_own(os.fspath(top))
    yield from (noted_own(os.fspath(file)) for file in sorted(top.rglob("*")))


def remember(memory: Path, key: str, summary: dict[str, Any], notes: Iterable[str]) -> None:
    """Keep what a look came to, and the notes of all that it depends on."""
    from assay.data.files import write_bytes

    text = BETWEEN.join([json.dumps({"key": key, "summary": summary}), *notes])
    write_bytes(memory, text.encode("utf-8", "surrogateescape"))


def recall(memory: str | Path, key: str) -> dict[str, Any] | None:
    """What the last look came to, if it had this key and nothing has moved since."""
    try:
        with open(memory, "rb") as file:
            head, *notes = file.read().decode("utf-8", "surrogateescape").split(BETWEEN)
        about = json.loads(head)
        if about["key"] != key or not all(map(_is_so, notes)):
            return None
        return about["summary"]  # type: ignore[no-any-return]
    except (OSError, ValueError, LookupError, TypeError):  # it is only a memory
        return None


def _is_so(was: str) -> bool:
    file = was.split(" ", 1)[1]
    return noted(file) == was or noted_own(file) == was
