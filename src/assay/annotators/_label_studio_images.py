"""How the page of Label Studio gets the images: by signed URLs of our server, or as copies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from assay.annotators._label_studio_client import File, Studio, Task
from assay.data.images.browser import for_browser
from assay.data.pool import Pool
from assay.web.signed import image_key, is_valid_url, signed_url

DAY, HOUR = 86_400, 3600
SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
}
"""{media type that Label Studio takes as a file: its suffix}."""
FILES = 50
"""Files of an upload; the server takes at most 100."""
BYTES = 64 << 20
"""Size of an upload; the server takes 250 MiB."""
Renew = Callable[[Task], str | None]


def signed_urls(ids: Sequence[str], server: str, days: float, scratch: Path) -> dict[str, str]:
    """{content id: URL on `server` that expires after `days`}."""
    key, expires = image_key(scratch), int(time.time() + days * DAY)
    return {sample: signed_url(server, key, sample, expires) for sample in ids}


def renewer(server: str, days: float, scratch: Path) -> Renew:
    """Function of a task: a new URL of its image if the present one is not valid for another hour; else None."""
    key, soon = image_key(scratch), time.time() + min(HOUR, days * DAY / 2)

    def renew(task: Task) -> str | None:
        sample = str(task["data"].get("assay_id"))
        if is_valid_url(str(task["data"].get("image")), server, key, soon):
            return None
        return signed_urls([sample], server, days, scratch)[sample]

    return renew


def uploaded(studio: Studio, project: int, ids: Sequence[str], pool: Pool) -> dict[str, str]:
    """{content id: path of its copy in Label Studio}. Images without a copy are uploaded."""
    held = _copies(studio, project)
    if missing := [sample for sample in ids if sample not in held]:
        for files in _parts(_file(sample, data) for sample, data in pool.read_many(missing)):
            studio.upload(project, files)
        held = _copies(studio, project)
    return {sample: held[sample] for sample in ids}


def _copies(studio: Studio, project: int) -> dict[str, str]:
    """{content id: path} of uploaded files; their names are the ids."""
    return {Path(file).stem.rsplit("-", 1)[-1]: f"/data/{file}" for file in studio.uploads(project)}


def _parts(files: Iterable[File]) -> Iterator[list[File]]:
    """The files in lists of at most FILES, and of about BYTES."""
    part: list[File] = []
    for file in files:
        part.append(file)
        if len(part) == FILES or sum(len(data) for _, data, _ in part) >= BYTES:
            yield part
            part = []
    if part:
        yield part


def _file(sample: str, data: bytes) -> File:
    """An image to upload; as PNG if Label Studio takes no such files."""
    sent, kind = for_browser(data, SUFFIXES)
    return f"{sample}.{SUFFIXES[kind]}", sent, kind
