"""Images of the pool for browsers, by content id, read by offset; thumbnails, made once, shard by shard.

    .assay/thumbnails/<side>/<shard>-<hash of its ids>.bin   the JPEGs of its images, one after the other
    .assay/thumbnails/<side>/<shard>-<hash of its ids>.npy   (n + 1,) int64: where each begins; written last

An image that is small and of a format of browsers is its own thumbnail: nothing is made for it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray

from assay.data.files import recall, replacing
from assay.data.images.decode import thumbnail
from assay.errors import AssayError, BadImage
from assay.web.images import for_browser
from assay.web.stored import SIDE, Stored


class Media:
    """The images of a pool, and their thumbnails."""

    def __init__(self, pool: Path, scratch: Path) -> None:
        self.stored = Stored(pool)
        self.thumbnails = Thumbnails(self.stored, scratch / "thumbnails" / str(SIDE))

    def image(self, sample: str) -> tuple[bytes, str] | None:
        """The image as a browser shows it, with its media type; None if it is not in the pool."""
        row = self.stored.row(sample)
        return None if row is None else for_browser(self.stored.at(row))

    def small(self, sample: str) -> bytes:
        """The thumbnail; b"" if there is no image, or none that can be decoded."""
        row = self.stored.row(sample)
        if row is None:
            return b""
        if self.stored.is_small(row):
            return self.stored.at(row)
        made = self.thumbnails.find(row)
        return thumbnail_of(self.stored.at(row)) if made is None else made


def thumbnail_of(data: bytes) -> bytes:
    try:
        return thumbnail(data, SIDE)
    except BadImage:
        return b""


class Thumbnails:
    """Thumbnails on disk, one file for each shard; a thread makes those that are asked for, in the background."""

    def __init__(self, stored: Stored, folder: Path) -> None:
        self._stored, self._folder = stored, folder
        self._names: dict[int, str] = {}
        self._starts: dict[int, NDArray[np.int64] | None] = {}
        self._wanted: deque[int] = deque()
        self._news = Condition()
        Thread(target=self._work, name="thumbnails", daemon=True).start()

    def find(self, row: int) -> bytes | None:
        """The thumbnail of a row of the pool; None if its shard is not done: then it is made next."""
        shard = self._stored.shard(row)
        if (starts := self._of(shard)) is None:
            with self._news:
                if shard not in self._wanted:
                    self._wanted.appendleft(shard)
                    self._news.notify()
            return None
        at = row - int(self._stored.first[shard])
        with self._file(shard, "bin").open("rb") as stream:
            stream.seek(int(starts[at]))
            return stream.read(int(starts[at + 1] - starts[at]))

    def _file(self, shard: int, ending: str) -> Path:
        if shard not in self._names:
            ids = self._stored.ids.raw[self._stored.first[shard] : self._stored.first[shard + 1]]
            self._names[shard] = (
                f"{self._stored.shards[shard]}-{hashlib.sha256(ids.tobytes()).hexdigest()[:12]}"
            )
        return self._folder / f"{self._names[shard]}.{ending}"

    def _of(self, shard: int) -> NDArray[np.int64] | None:
        if self._starts.get(shard) is None:
            found = recall(lambda: np.load(self._file(shard, "npy")))
            n = int(self._stored.first[shard + 1] - self._stored.first[shard])
            self._starts[shard] = found if found is not None and found.shape == (n + 1,) else None
        return self._starts[shard]

    def _work(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: bool(self._wanted))
                shard = self._wanted[0]
            with suppress(
                OSError, AssayError
            ):  # a full disk, a pool that is being replaced: shown without a cache
                self._make(shard)
            with self._news:
                self._wanted.remove(shard)

    def _make(self, shard: int) -> None:
        rows = range(int(self._stored.first[shard]), int(self._stored.first[shard + 1]))
        starts = np.zeros(len(rows) + 1, np.int64)
        with replacing(self._file(shard, "bin")) as aside, aside.open("wb") as stream:
            for n, row in enumerate(rows):
                small = b"" if self._stored.is_small(row) else thumbnail_of(self._stored.at(row))
                starts[n + 1] = starts[n] + stream.write(small)
        with replacing(self._file(shard, "npy")) as aside, aside.open("wb") as stream:
            np.save(stream, starts)
        self._starts.pop(shard, None)
