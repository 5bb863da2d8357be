"""A shard of a pool: a plain tar of encoded images, and an index with the offset of each.

shards/00000.tar        members <content id>.<suffix>, in order of arrival, then two empty blocks
shards/00000.parquet    INDEX, written last: a tar without it is not part of the pool
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from assay.data import columns
from assay.data.files import read_table
from assay.errors import PoolError

INDEX = pa.schema(
    {
        "id": pa.string(),
        "offset": pa.int64(),
        "size": pa.int64(),
        "width": pa.int32(),
        "height": pa.int32(),
        "mode": pa.string(),
        "format": pa.string(),
    }
)
BLOCK = 512
END = bytes(2 * BLOCK)
"""End of a tar: two empty blocks."""
MEND = (
    "`dvc checkout --force data/pool` restores the recorded version; if that is damaged too, delete both files of the "
    "shard: `assay ingest` then takes its images in again"
)


def read_index(path: Path) -> pa.Table:
    """INDEX of all shards of a pool, oldest first, with the column `shard`. PoolError if they are inconsistent."""
    tables = []
    for file in sorted((path / "shards").glob("*.parquet")):
        table = read_table(file)
        if (trouble := shard_trouble(file.with_suffix(".tar"), table)) is not None:
            raise PoolError(trouble, hint=MEND)
        shard = columns.column([file.stem] * len(table), pa.string())
        tables.append(table.add_column(1, "shard", shard))
    if not tables:
        return columns.table([], INDEX.insert(1, pa.field("shard", pa.string())))
    index = pa.concat_tables(tables).combine_chunks()
    _require_ids_once(path, index)
    return index


def shard_trouble(tar: Path, index: pa.Table) -> str | None:
    """The defect of a shard, by its length and its schema, without reading images; None if there is none."""
    if index.schema != INDEX:
        return f"{tar.with_suffix('.parquet')} is no index of a shard: its columns are {index.column_names}"
    if not tar.exists():
        return f"{tar} is missing"
    if (length := tar.stat().st_size) != (expected := tar_length(index)):
        return f"{tar} is damaged: it has {length:,} bytes, {expected:,} by its index"
    return None


def tar_length(index: pa.Table) -> int:
    """Length in bytes of the tar of an index."""
    if not len(index):
        return len(END)
    last = len(index) - 1
    end = index["offset"][last].as_py() + index["size"][last].as_py()
    return int(end + -end % BLOCK + len(END))


def _require_ids_once(path: Path, index: pa.Table) -> None:
    ids = index["id"].combine_chunks()
    if _may_repeat(ids) and (twice := len(ids) - len(set(ids.to_pylist()))):
        raise PoolError(
            f"{path} has {twice:,} images twice: two processes wrote to it at once",
            hint="`assay verify` names them; delete both files of the later shard and run `assay ingest`",
        )


def _may_repeat(ids: pa.Array) -> bool:
    """False if all ids are distinct, by a hash of 16 of their 64 digits: a fifth of the time of comparing texts."""
    digits = np.frombuffer(ids.buffers()[2] or b"", np.uint8)
    if len(digits) != 64 * len(ids):
        return True
    head = np.ascontiguousarray(digits.reshape(-1, 64)[:, :16]).view(np.uint64)
    numbers = np.sort(head[:, 0] ^ (head[:, 1] << np.uint64(7)))
    return bool((numbers[1:] == numbers[:-1]).any())


BLANK = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
MODE_AND_OWNER, TIME, REST = BLANK[100:124], BLANK[136:148], BLANK[156:]
FIXED_SUM = sum(MODE_AND_OWNER + TIME + REST) + 8 * ord(" ")
"""The constant parts of a header, and their sum; in a checksum, the checksum field counts as eight blanks."""


def tar_header(name: str, size: int) -> bytes:
    """A POSIX ustar header without owner and time, so that equal images give bitwise equal shards.

    Equals `TarInfo.tobuf` for an ASCII name of at most 100 characters, at a tenth of its cost, that of a decode.
    """
    called, octal = name.encode("ascii"), b"%011o\0" % size
    checksum = b"%06o\0 " % (FIXED_SUM + sum(called) + sum(octal))
    return b"".join((called.ljust(100, b"\0"), MODE_AND_OWNER, octal, TIME, checksum, REST))
