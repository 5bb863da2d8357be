"""Data derived from each image of the pool: embedding, image statistics, thumbnail, near-duplicates.

    data/embeddings/00000.npy               (n, d) float32 for the n images of the pool's shard 00000, in its order
    data/embeddings/00000.parquet           id and the statistics of `assay.data.images.traits`
    data/embeddings/00000.thumbnails.npy    (n, 256) int8: see `assay.data.near_duplicates`
    data/embeddings/00000.pairs.parquet     id, other (the older), similarity; written last, marks the shard as done
    data/embeddings/embeddings.json         encoder, options, dim, shards; written when all shards are done

All images of the pool are embedded; the snapshot decides which of them are in the dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.files import legible, read_json, read_table
from assay.errors import MissingInput, PoolError

ABOUT = "embeddings.json"
IN_MEMORY = 2**30
BLOCK = 20_000
"""Vectors per block of a scratch file."""
PAIRS = pa.schema({"id": pa.string(), "other": pa.string(), "similarity": pa.float32()})
SUFFIXES = {
    "vectors": ".npy",
    "traits": ".parquet",
    "thumbnails": ".thumbnails.npy",
    "pairs": ".pairs.parquet",
}


def part(path: Path, shard: str, kind: str) -> Path:
    """The file of one of SUFFIXES for a shard."""
    return path / f"{shard}{SUFFIXES[kind]}"


def _mapped(file: Path) -> NDArray[np.float32]:
    with legible(file):
        vectors: NDArray[np.float32] = np.load(file, mmap_mode="r")
        return vectors


class Embeddings:
    """The embeddings of a pool, opened for reading. Vectors are memory-mapped and read on request."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.about = about
        self.dim: int = about["dim"]
        self.shards: list[str] = sorted(about["shards"])

    @classmethod
    def open(cls, path: Path) -> Embeddings:
        """Open a folder. MissingInput if `embed` has not been run, or if files of a shard are missing."""
        embeddings = cls(path, read_json(path / ABOUT, made_by="embed"))
        for shard in embeddings.shards:
            for kind in SUFFIXES:
                if not (file := part(path, shard, kind)).exists():
                    raise MissingInput(f"{file} is not there", hint="run `dvc checkout`")
        return embeddings

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def ids(self) -> list[str]:
        """Content ids, in order of arrival in the pool."""
        return self.id_column.to_pylist()  # type: ignore[no-any-return]

    def require(self, ids: pa.ChunkedArray, whose: str) -> None:
        """MissingInput unless `ids` (distinct, in any order) are the embedded images."""
        mine = self.id_column
        if len(ids) != len(mine) or pc.all(pc.is_in(ids, value_set=mine)).as_py() is False:
            raise MissingInput(
                f"{self.path} and {whose} are not of the same images",
                hint="run `assay embed`, or `dvc repro`",
            )

    @cached_property
    def id_column(self) -> pa.Array:
        """`ids` as an array."""
        tables = [read_table(part(self.path, s, "traits"), ["id"]) for s in self.shards]
        return pa.chunked_array(
            [table["id"].combine_chunks() for table in tables], pa.string()
        ).combine_chunks()

    @cached_property
    def traits(self) -> pa.Table:
        """Id and the statistics of each image, in the order of `ids`."""
        return self._tables("traits") if self.shards else pa.table({"id": pa.array([], pa.string())})

    @cached_property
    def pairs(self) -> pa.Table:
        """PAIRS: near-duplicates with a similarity of at least `near_duplicates.FLOOR`."""
        return self._tables("pairs") if self.shards else PAIRS.empty_table()

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """(len(ids), dim) float32, in the order of `ids`. PoolError for an id without embedding."""
        return self.at(self.rows(ids))

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(len(rows), dim) float32: the vectors at `rows`, as returned by the method `rows`."""
        out = np.empty((len(rows), self.dim), np.float32)
        shard_of = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(shard_of):
            mine = shard_of == number
            out[mine] = self._vectors(self.shards[number])[rows[mine] - self._starts[number]]
        return out

    def at_hand(self, ids: Sequence[str], folder: Path) -> NDArray[np.float32]:
        """`vectors` up to IN_MEMORY bytes, otherwise `mapped`."""
        fits = 4 * len(ids) * self.dim <= IN_MEMORY
        return self.vectors(ids) if fits else self.mapped(ids, folder)

    def mapped(self, ids: Sequence[str], folder: Path) -> NDArray[np.float32]:
        """`vectors` as a memory map of a scratch file in `folder`, for arrays larger than memory.

        The file is unlinked already; the system frees it together with the array.
        """
        rows = self.rows(ids)
        if not len(rows):
            return np.empty((0, self.dim), np.float32)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            for start in range(0, len(rows), BLOCK):
                file.write(self.at(rows[start : start + BLOCK]).data)
            file.flush()
            return np.memmap(file, np.float32, "r", shape=(len(rows), self.dim))

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """(len(ids),) rows of the vectors, counted over all shards. PoolError for an id without embedding."""
        wanted = pa.array(ids, pa.string())
        found = pc.index_in(wanted, value_set=self.id_column)
        if found.null_count:
            missing = wanted.filter(found.is_null())[0]
            raise PoolError(f"{self.path} has no vector for image {missing}", hint="run `assay embed`")
        rows: NDArray[np.int64] = found.to_numpy().astype(np.int64)
        return rows

    def _tables(self, kind: str) -> pa.Table:
        return pa.concat_tables(read_table(part(self.path, s, kind)) for s in self.shards).combine_chunks()

    def _vectors(self, shard: str) -> NDArray[np.float32]:
        """Mapped anew at each call: pages read through a map count as memory of the process until it is closed."""
        return _mapped(part(self.path, shard, "vectors"))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """(shards,) first row of each shard."""
        return np.cumsum([0, *(len(self._vectors(shard)) for shard in self.shards)])[:-1]
