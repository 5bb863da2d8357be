"""A shard of a pool: a plain tar of encoded images, and beside it the index that says where each of them lies.

shards/00000.tar        members <content id>.<suffix>, in order of arrival, closed by two empty blocks
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
"""What closes a tar."""
MEND = (
    "`dvc checkout --force data/pool` brings back what was recorded; if that is damaged too, delete both files of the "
    "shard, and `assay ingest` takes its images in again"
)


def read_index(path: Path) -> pa.Table:
    """INDEX of all shards of a pool, oldest first, with the column `shard`. PoolError if they contradict themselves."""
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
    """What is wrong with a shard, as far as its length and the names of its columns tell; None if nothing is."""
    if index.schema != INDEX:
        return f"{tar.with_suffix('.parquet')} is no index of a shard: its columns are {index.column_names}"
    if not tar.exists():
        return f"{tar} is missing"
    if (length := tar.stat().st_size) != (expected := tar_length(index)):
        return f"{tar} is damaged: it has {length:,} bytes, by its index it has {expected:,}"
    return None


def tar_length(index: pa.Table) -> int:
    """Bytes of a tar that holds what an index says."""
    if not len(index):
        return len(END)
    last = len(index) - 1
    end = index["offset"][last].as_py() + index["size"][last].as_py()
    return int(end + -end % BLOCK + len(END))


def _require_ids_once(path: Path, index: pa.Table) -> None:
    ids = index["id"].combine_chunks()
    if _may_repeat(ids) and (twice := len(ids) - len(set(ids.to_pylist()))):
        raise PoolError(
            f"{path} has {twice:,} images twice: two writers have been at work in it",
            hint="`assay verify` names them; delete both files of the later shard and run `assay ingest`",
        )


def _may_repeat(ids: pa.Array) -> bool:
    """False if no id is there twice, by a number made of 16 of their 64 digits: a fifth of the time of the texts."""
    digits = np.frombuffer(ids.buffers()[2] or b"", np.uint8)
    if len(digits) != 64 * len(ids):
        return True
    head = np.ascontiguousarray(digits.reshape(-1, 64)[:, :16]).view(np.uint64)
    numbers = np.sort(head[:, 0] ^ (head[:, 1] << np.uint64(7)))
    return bool((numbers[1:] == numbers[:-1]).any())


BLANK = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
MODE_AND_OWNER, TIME, REST = BLANK[100:124], BLANK[136:148], BLANK[156:]
FIXED_SUM = sum(MODE_AND_OWNER + TIME + REST) + 8 * ord(" ")
"""All of a header but name, size and checksum; in the sum, the checksum itself counts as eight blanks."""


def tar_header(name: str, size: int) -> bytes:
    """A POSIX ustar header without owner or time: the same images are the same shard, bit for bit.

    What `TarInfo.tobuf` makes of an ASCII name of at most 100, at a tenth of its cost, which is that of a decode.
    """
    called, octal = name.encode("ascii"), b"%011o\0" % size
    checksum = b"%06o\0 " % (FIXED_SUM + sum(called) + sum(octal))
    return b"".join((called.ljust(100, b"\0"), MODE_AND_OWNER, octal, TIME, checksum, REST))
