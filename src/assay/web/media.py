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
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.files import recall, replacing
from assay.data.images.decode import thumbnail
from assay.data.pool import Pool
from assay.errors import AssayError, BadImage
from assay.web.catalog import raw_ids
from assay.web.images import SHOWN, for_browser

SIDE = 192
"""Longest side of a thumbnail, px."""
SMALL = 16_384
"""Largest image, in bytes, that is its own thumbnail."""


class Media:
    """The images of a pool. `raw` (n, 32) in the order of the pool's index; looked up by binary search."""

    def __init__(self, pool: Pool, scratch: Path) -> None:
        self.pool = pool
        index = pool.index
        self.raw = raw_ids(index["id"].combine_chunks())
        keys = self.raw[:, :8].copy().view(">u8").ravel().astype(np.uint64)
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._keys = keys[self._order]
        small = np.maximum(index["width"].to_numpy(), index["height"].to_numpy()) <= SIDE
        shown = pc.is_in(index["format"], value_set=pa.array(list(SHOWN))).to_numpy()
        self._is_small = small & shown & (index["size"].to_numpy() <= SMALL)
        self.thumbnails = Thumbnails(self, scratch / "thumbnails" / str(SIDE))

    def row(self, sample: bytes) -> int | None:
        """The row of an image in the pool; None if it is not there. `sample`: its id, 32 bytes."""
        key = np.frombuffer(sample[:8], ">u8").astype(np.uint64)[0]
        for at in range(int(np.searchsorted(self._keys, key)), len(self._keys)):
            row = int(self._order[at])
            if self._keys[at] != key:
                return None
            if self.raw[row].tobytes() == sample:
                return row
        return None

    def image(self, sample: bytes) -> tuple[bytes, str] | None:
        """The image as a browser shows it, with its media type; None if it is not in the pool."""
        row = self.row(sample)
        return None if row is None else for_browser(self.pool.at(row))

    def small(self, sample: bytes) -> bytes:
        """The thumbnail; b"" if there is no image, or none that can be decoded."""
        row = self.row(sample)
        if row is None:
            return b""
        if self.is_small(row):
            return self.pool.at(row)
        made = self.thumbnails.find(row)
        return thumbnail_of(self.pool.at(row)) if made is None else made

    def is_small(self, row: int) -> bool:
        """Whether an image is its own thumbnail."""
        return bool(self._is_small[row])


def thumbnail_of(data: bytes) -> bytes:
    try:
        return thumbnail(data, SIDE)
    except BadImage:
        return b""


class Thumbnails:
    """Thumbnails on disk, one file for each shard; a thread makes those that are asked for, in the background."""

    def __init__(self, media: Media, folder: Path) -> None:
        self._media, self._folder = media, folder
        self._shards, self._number, _, _ = media.pool.places
        self._first = np.searchsorted(self._number, np.arange(len(self._shards) + 1))
        self._names: dict[int, str] = {}
        self._starts: dict[int, NDArray[np.int64] | None] = {}
        self._wanted: deque[int] = deque()
        self._news = Condition()
        Thread(target=self._work, name="thumbnails", daemon=True).start()

    def find(self, row: int) -> bytes | None:
        """The thumbnail of a row of the pool; None if its shard is not done: then it is made next."""
        shard = int(self._number[row])
        if (starts := self._of(shard)) is None:
            with self._news:
                if shard not in self._wanted:
                    self._wanted.appendleft(shard)
                    self._news.notify()
            return None
        at = row - int(self._first[shard])
        with self._file(shard, "bin").open("rb") as stream:
            stream.seek(int(starts[at]))
            return stream.read(int(starts[at + 1] - starts[at]))

    def _file(self, shard: int, ending: str) -> Path:
        if shard not in self._names:
            ids = self._media.raw[self._first[shard] : self._first[shard + 1]]
            self._names[shard] = f"{self._shards[shard]}-{hashlib.sha256(ids.tobytes()).hexdigest()[:12]}"
        return self._folder / f"{self._names[shard]}.{ending}"

    def _of(self, shard: int) -> NDArray[np.int64] | None:
        if self._starts.get(shard) is None:
            found = recall(lambda: np.load(self._file(shard, "npy")))
            n = int(self._first[shard + 1] - self._first[shard])
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
        rows = range(int(self._first[shard]), int(self._first[shard + 1]))
        starts = np.zeros(len(rows) + 1, np.int64)
        with replacing(self._file(shard, "bin")) as aside, aside.open("wb") as stream:
            for n, row in enumerate(rows):
                small = b"" if self._media.is_small(row) else thumbnail_of(self._media.pool.at(row))
                starts[n + 1] = starts[n] + stream.write(small)
        with replacing(self._file(shard, "npy")) as aside, aside.open("wb") as stream:
            np.save(stream, starts)
        self._starts.pop(shard, None)
