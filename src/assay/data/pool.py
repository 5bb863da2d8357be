"""The pool: every image once, as encoded bytes in append-only tar shards.

    data/pool/shards/00000.tar       encoded bytes, one member per image, named by content id (WebDataset reads it too)
    data/pool/shards/00000.parquet   index of the shard: id, offset, size, width, height, mode, format
    data/pool/imports/00000.parquet  origin, annotations, split, group and metadata of the images
    data/pool/quarantine/…           files that are no usable image, with the reason
    data/pool/truth/…                replays only: the hidden labels, read by the oracle and the benchmarks only
    data/pool/report.json            counts: files seen = samples + duplicates + quarantined + ignored

Existing files are never rewritten: DVC hashes, stores and pushes only new ones. A shard exists once its index does.
The tar gets its name first, then the index, then the rows of the side tables. After a kill at any moment the pool
opens, and contains everything that was reported as stored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from assay.data import columns
from assay.data.files import ASIDE, alone_in, aside_of, claim, read_table, sync_dir, write_table
from assay.data.images.decode import ImageInfo
from assay.data.shards import BLOCK, END, INDEX, read_index, tar_header
from assay.errors import MissingInput, PoolError

# `gone`: the image is no longer at that path; it moved inside the source, or the source is mirrored
IMPORTS = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "path": pa.string(),
        "annotations": pa.string(),
        "split": pa.string(),
        "group": pa.string(),
        "captured_at": pa.string(),
        "metadata": pa.string(),
        "gone": pa.bool_(),
    }
)
QUARANTINE = pa.schema(
    {
        "source": pa.string(),
        "path": pa.string(),
        "sha256": pa.string(),
        "size": pa.int64(),
        "reason": pa.string(),
    }
)
TRUTH = pa.schema({"id": pa.string(), "annotations": pa.string()})

SIDE_TABLES = {"imports": IMPORTS, "quarantine": QUARANTINE, "truth": TRUTH}
WRITE_BUFFER = 1 << 20


def content_id(data: bytes) -> str:
    """The identity of an image: SHA-256 of its encoded bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


class Pool:
    """A pool opened for reading. Images are read by offset; shards are not unpacked."""

    def __init__(self, path: Path, index: pa.Table) -> None:
        self.path = path
        self.index = index
        self._handles: dict[str, int] = {}

    @classmethod
    def open(cls, path: Path) -> Pool:
        """Open the pool in a folder. MissingInput if there is none, PoolError if it is inconsistent.

        Checks the indexes and the lengths of the shards (`assay.data.shards`); `assay verify` checks every image.
        """
        if not path.is_dir():
            raise MissingInput(f"{path} is not there", hint="run `assay ingest` first, or `dvc pull`")
        return cls(path, read_index(path))

    def __len__(self) -> int:
        return int(self.index.num_rows)

    def __contains__(self, sample: object) -> bool:
        return sample in self._row_of

    def __del__(self) -> None:
        for handle in self._handles.values():
            os.close(handle)

    @property
    def ids(self) -> list[str]:
        """Content ids in order of arrival."""
        return self.index["id"].to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def imports(self) -> pa.Table:
        """IMPORTS: what the sources gave with the images, in order of arrival."""
        return side_table(self.path, "imports")

    @cached_property
    def quarantine(self) -> pa.Table:
        """QUARANTINE: files that were not taken in, and why."""
        return side_table(self.path, "quarantine")

    @cached_property
    def shards(self) -> list[str]:
        """Names of the shards, oldest first."""
        import pyarrow.compute as pc  # here, as the import takes 0.1 s and ingest does not need it

        return pc.unique(self.index["shard"]).to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {sample: row for row, sample in enumerate(self.ids)}

    @cached_property
    def places(self) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
        """Names of shards; and of each row the number of its name, the offset and the size."""
        shard = self.index["shard"].combine_chunks().dictionary_encode()
        numbers = shard.indices.to_numpy(zero_copy_only=False)
        return shard.dictionary.to_pylist(), numbers, *(self.index[n].to_numpy() for n in ("offset", "size"))

    def rows(self, ids: Sequence[str] | pa.Array) -> np.ndarray:
        """Rows of `index` (int64) for content ids, in the order given. PoolError for an unknown id."""
        import pyarrow.compute as pc

        wanted = pa.array(ids, pa.string()) if not isinstance(ids, pa.Array) else ids
        found = pc.index_in(wanted, value_set=self.index["id"].combine_chunks())
        if found.null_count:
            missing = wanted.filter(found.is_null())
            raise PoolError(
                f"{self.path}: {found.null_count} of {len(wanted)} images are not in the pool, "
                f"the first is {missing[0].as_py()}",
                hint="`dvc checkout data/pool`, or ingest the source they came from",
            )
        rows: np.ndarray = found.to_numpy(zero_copy_only=False).astype(np.int64)
        return rows

    def read(self, sample: str) -> bytes:
        """The encoded bytes of one image. PoolError if it is not there."""
        if sample not in self._row_of:
            raise PoolError(f"{self.path}: image {sample} is not in the pool")
        return self.at(self._row_of[sample])

    def read_many(self, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Ids with their bytes, each once, in storage order, so that the disk is read sequentially."""
        rows = np.unique(self.rows(ids))
        names = self.index["id"].take(pa.array(rows)).to_pylist()
        for row, name in zip(rows.tolist(), names, strict=True):
            yield name, self.at(row)

    def iter_shard(self, shard: str) -> Iterator[tuple[str, bytes]]:
        """Ids and bytes of the images of one shard, in storage order."""
        import pyarrow.compute as pc

        rows = np.flatnonzero(pc.equal(self.index["shard"], shard).to_numpy())
        for name, row in zip(self.index["id"].take(pa.array(rows)).to_pylist(), rows.tolist(), strict=True):
            yield name, self.at(row)

    def at(self, row: int) -> bytes:
        """The encoded bytes of the image in a row of `index`. Safe for threads."""
        names, numbers, offsets, sizes = self.places
        shard, offset, size = names[numbers[row]], int(offsets[row]), int(sizes[row])
        data = os.pread(self._handle(shard), size, offset)
        if len(data) != size:
            raise PoolError(f"{self.path}: shard {shard} ends before image {self.index['id'][row]}")
        return data

    def _handle(self, shard: str) -> int:
        if shard not in self._handles:
            handle = os.open(self.path / "shards" / f"{shard}.tar", os.O_RDONLY)
            if self._handles.setdefault(shard, handle) != handle:  # another thread was faster
                os.close(handle)
        return self._handles[shard]


def side_table(path: Path, kind: str) -> pa.Table:
    """All parts of one of SIDE_TABLES, in order of arrival."""
    parts = [read_table(file) for file in sorted((path / kind).glob("*.parquet"))]
    return pa.concat_tables(parts).combine_chunks() if parts else columns.table([], SIDE_TABLES[kind])


class PoolWriter:
    """Context manager that appends to a pool, one shard at a time. It locks the folder: PoolError for a second writer.

    `commit` makes the added samples and rows visible. Killed during `commit`, the pool has none of the rows.
    """

    def __init__(self, path: Path, shard_images: int, shard_bytes: int) -> None:
        self.path = path
        self._limits = (shard_images, shard_bytes)
        self._tar: BinaryIO | None = None
        self._end = 0  # of the open shard; counted here, as `tell` is a system call per image
        self._index: list[tuple[Any, ...]] = []
        self._rows: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in SIDE_TABLES}
        self._held = _hold(path)
        (path / "shards").mkdir(exist_ok=True)
        self._sweep()
        self.known = set(read_index(path)["id"].to_pylist())
        """Content ids in the pool, including those not committed yet."""

    def __enter__(self) -> PoolWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            if kind is None:
                self.commit()
            elif self._tar is not None:
                with suppress(OSError):  # on a full disk, flushing the buffer fails as well
                    self._tar.close()
                self._sweep()

    @property
    def full(self) -> bool:
        """True if the open shard has reached one of its limits: time to commit."""
        images, size = self._limits
        return len(self._index) >= images or self._end >= size

    def add(self, sample: str, data: bytes, info: ImageInfo) -> bool:
        """Append one image; False if the pool has it already."""
        if sample in self.known:
            return False
        if self._tar is None:
            self._shard = self.path / "shards" / f"{_next(self.path / 'shards')}.tar"
            self._aside = aside_of(self._shard)
            self._tar = self._aside.open("wb", buffering=WRITE_BUFFER)
        suffix = info.format.lower() or "img"
        self._index.append(
            (sample, self._end + BLOCK, len(data), info.width, info.height, info.mode, info.format)
        )
        header, padding = tar_header(f"{sample}.{suffix}", len(data)), bytes(-len(data) % BLOCK)
        self._end += self._tar.write(b"".join((header, data, padding)))
        self.known.add(sample)
        return True

    def add_row(self, kind: str, row: tuple[Any, ...]) -> None:
        """Add a row, in the order of the schema's columns, to a side table."""
        self._rows[kind].append(row)

    def commit(self) -> None:
        """Store everything added so far, durably: first the bytes, then the tables that refer to them."""
        if self._tar is not None:
            self._close_shard(self._tar)
        for kind, schema in SIDE_TABLES.items():
            if self._rows[kind]:
                part = self.path / kind / f"{_next(self.path / kind)}.parquet"
                write_table(part, columns.table(self._rows[kind], schema), new=True)
                self._rows[kind] = []

    def _close_shard(self, tar: BinaryIO) -> None:
        tar.write(END)
        tar.flush()
        os.fsync(tar.fileno())
        tar.close()
        claim(self._aside, self._shard)
        sync_dir(self._shard.parent)
        write_table(self._shard.with_suffix(".parquet"), columns.table(self._index, INDEX), new=True)
        self._tar, self._end, self._index = None, 0, []

    def _sweep(self) -> None:
        """Remove half-written files, and tars without an index, of a killed writer."""
        for leftover in self.path.rglob(f"*{ASIDE}"):
            leftover.unlink()
        for tar in (self.path / "shards").glob("*.tar"):
            if not tar.with_suffix(".parquet").exists():
                tar.unlink()


def _hold(path: Path) -> ExitStack:
    """Lock the folder of a pool until the stack is closed. PoolError if another writer has locked it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(alone_in(path, wait=False))
        except BlockingIOError:
            raise PoolError(
                f"{path}: another process, or another writer in this one, is writing to this pool",
                hint="wait until it has ended; `assay ingest` does so by itself",
            ) from None
        return stack.pop_all()


def _next(folder: Path) -> str:
    """Number of the next file of a folder: the largest number plus one; gaps are not filled."""
    return f"{max((int(file.stem) for file in folder.glob('*.parquet')), default=-1) + 1:05d}"
