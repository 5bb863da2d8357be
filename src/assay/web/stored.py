"""The images of a pool for a server: 60 bytes of memory an image, where `Pool.open` takes 300 for a while."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.images.browser import SHOWN
from assay.data.matching import whole
from assay.data.shards import INDEX, MEND, shard_trouble
from assay.errors import MissingInput, PoolError
from assay.web import streamed
from assay.web.ids import Ids, raw_ids

SIDE = 192
"""Longest side of a thumbnail, px."""
SMALL = 16_384
"""Largest image, in bytes, that is its own thumbnail."""
Columns = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]]
"""Of n images: ids (n, 32), offset and size (n,) in the shard, whether each is its own thumbnail (n,)."""
EMPTY: Columns = (
    np.zeros((0, 32), np.uint8),
    np.zeros(0, np.int64),
    np.zeros(0, np.int32),
    np.zeros(0, bool),
)


class Stored:
    """The images of a pool, in order of arrival. MissingInput without a pool, PoolError if a shard is damaged."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise MissingInput(f"{path} is not there", hint="run `assay ingest` first, or `dvc pull`")
        self._path, self._seen = path, _marks(path)
        self._tars = [path / "shards" / f"{name}.tar" for name, *_ in self._seen]
        self.shards = [tar.stem for tar in self._tars]
        self.first, (raw, self._offset, self._size, self._small) = _joined([_read(tar) for tar in self._tars])
        """`first` (shards + 1,): the first row of each shard; the last entry is the number of images."""
        self.ids = Ids(raw)
        self._handles: dict[int, int] = {}
        streamed.release()

    def __del__(self) -> None:
        for handle in getattr(self, "_handles", {}).values():
            os.close(handle)

    @property
    def is_outdated(self) -> bool:
        """Whether the pool has other shards by now."""
        return _marks(self._path) != self._seen

    def row(self, sample: str) -> int | None:
        """The row of an image; None if it is not there."""
        row = int(self.ids.rows([sample])[0])
        return None if row < 0 else row

    def shard(self, row: int) -> int:
        """The number of the shard of an image."""
        return int(np.searchsorted(self.first, row, "right")) - 1

    def is_small(self, row: int) -> bool:
        """Whether an image is its own thumbnail: it is small, and browsers show it."""
        return bool(self._small[row])

    def at(self, row: int) -> bytes:
        """The encoded bytes of an image. Safe for threads."""
        shard, size = self.shard(row), int(self._size[row])
        data = os.pread(self._handle(shard), size, int(self._offset[row]))
        if len(data) != size:
            raise PoolError(
                f"{self._tars[shard]} ends before image {self.ids.raw[row].tobytes().hex()}", hint=MEND
            )
        return data

    def _handle(self, shard: int) -> int:
        if shard not in self._handles:
            handle = os.open(self._tars[shard], os.O_RDONLY)
            if self._handles.setdefault(shard, handle) != handle:  # another thread was faster
                os.close(handle)
        return self._handles[shard]


def _marks(path: Path) -> list[tuple[str, int, int]]:
    """Name, and size and time of the index, of each shard, oldest first."""
    files = sorted((path / "shards").glob("*.parquet"))
    return [(file.stem, s.st_size, s.st_mtime_ns) for file in files for s in [file.stat()]]


def _joined(parts: list[Columns]) -> tuple[NDArray[np.int64], Columns]:
    raw, offset, size, small = (np.concatenate(some) for some in zip(EMPTY, *parts, strict=True))
    return np.cumsum([0, *(len(part[0]) for part in parts)]), (raw, offset, size, small)


def _read(tar: Path) -> Columns:
    index = streamed.table(tar.with_suffix(".parquet"), INDEX.names)
    if (trouble := shard_trouble(tar, index)) is not None:
        raise PoolError(trouble, hint=MEND)
    side = pc.max_element_wise(index["width"], index["height"])
    fits = pc.and_(pc.less_equal(side, SIDE), pc.less_equal(index["size"], SMALL))
    shown = pc.is_in(index["format"], value_set=pa.array(list(SHOWN)))
    small = pc.and_(fits, shown)
    raw = raw_ids(whole(index["id"]))
    return raw, index["offset"].to_numpy(), index["size"].to_numpy().astype(np.int32), small.to_numpy()
