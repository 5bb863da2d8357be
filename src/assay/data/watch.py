"""Has anything moved since the last look? A stat for each file and folder that was seen; nothing is opened.

Standard library only: where nothing is new, this is all that ingest costs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BETWEEN = "\0"
IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif")


def note(file: str | Path, size: int, mtime_ns: int) -> str:
    return f"{size} {mtime_ns} {file}"


def noted(file: str) -> str:
    """The note of a file or folder as it is now; sizes and times are -1 if it is not there."""
    try:
        found = os.stat(file)  # noqa: PTH116  # sixty thousand times: a Path would cost as much again
    except OSError:
        return note(file, -1, -1)
    return note(file, found.st_size, found.st_mtime_ns)


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
                found = [(entry.path, entry.is_dir()) for entry in entries]
        except OSError:  # a file, or not ours to list
            continue
        if (place.st_dev, place.st_ino) not in met:
            met.add((place.st_dev, place.st_ino))
            rest += [path for path, is_folder in found if is_folder]
            yield from (
                noted(path)
                for path, is_folder in found
                if not is_folder and not path.lower().endswith(IMAGES)
            )


def everything(top: Path) -> Iterator[str]:
    """Notes of a folder, and of all files and folders below it."""
    yield noted(os.fspath(top))
    yield from (noted(os.fspath(file)) for file in sorted(top.rglob("*")))


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
    except (OSError, ValueError):
        return None
    if about["key"] != key or any(noted(was.split(" ", 2)[2]) != was for was in notes):
        return None
    return about["summary"]  # type: ignore[no-any-return]
