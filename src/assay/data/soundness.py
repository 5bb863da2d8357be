"""Integrity of a pool: the hash of every image is compared with its id."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from assay.data.files import read_table
from assay.data.shards import shard_trouble
from assay.errors import AssayError

THREADS = min(8, os.cpu_count() or 1)
TOLD = 256
"""Images per update of the progress bar."""


@dataclass(frozen=True)
class Damage:
    """A defect of a file of a pool, or of one of its images."""

    file: str
    what: str
    id: str | None = None


@dataclass(frozen=True)
class CheckedShard:
    """Result of reading a shard: ids in its index, bytes read, and defects."""

    ids: list[str]
    bytes: int
    damage: list[Damage]


def verify(pool: Path, advance: Callable[[int], None] = lambda _: None) -> list[CheckedShard]:
    """Read every image of every shard; `advance` is called with the number of images just read."""
    with ThreadPoolExecutor(THREADS) as threads:
        files = sorted((pool / "shards").glob("*.parquet"))
        return list(threads.map(lambda file: _shard(file, pool, advance), files))


def expected(pool: Path) -> int:
    """Number of images in the readable indexes."""
    import pyarrow.parquet as pq

    found = 0
    for file in (pool / "shards").glob("*.parquet"):
        with suppress(OSError, pa.ArrowInvalid):
            found += pq.read_metadata(file).num_rows
    return found


def other_damage(pool: Path, checked: list[CheckedShard]) -> Iterator[Damage]:
    """Defects outside single shards: ids that occur twice, and damaged side tables."""
    seen = Counter(sample for shard in checked for sample in shard.ids)
    for sample, times in seen.items():
        if times > 1:
            yield Damage("shards", f"occurs {times} times", sample)
    for file in sorted(pool.glob("*/*.parquet")):
        if file.parent.name != "shards":
            try:
                read_table(file)
            except AssayError as error:
                yield Damage(file.relative_to(pool).as_posix(), str(error))


def _shard(file: Path, pool: Path, advance: Callable[[int], None]) -> CheckedShard:
    tar = file.with_suffix(".tar")
    name = tar.relative_to(pool).as_posix()
    try:
        index = read_table(file)
    except AssayError as error:
        return CheckedShard([], 0, [Damage(file.relative_to(pool).as_posix(), str(error))])
    damage = [Damage(name, trouble)] if (trouble := shard_trouble(tar, index)) is not None else []
    if damage and (not tar.exists() or "offset" not in index.column_names):
        return CheckedShard([], 0, damage)
    size, wrong = _images(tar, index, advance)
    damage += [Damage(name, "its bytes do not match its id", sample) for sample in wrong]
    return CheckedShard(index["id"].to_pylist(), size, damage)


def _images(tar: Path, index: pa.Table, advance: Callable[[int], None]) -> tuple[int, list[str]]:
    """(bytes read, ids of the images whose hash is not their id)."""
    from assay.data.pool import content_id

    read, count, told, wrong = 0, 0, 0, []
    handle = os.open(tar, os.O_RDONLY)
    try:
        places = zip(*(index[name].to_pylist() for name in ("id", "offset", "size")), strict=True)
        for sample, offset, size in places:
            data = os.pread(handle, size, offset)
            read += len(data)
            if content_id(data) != sample:
                wrong.append(sample)
            count += 1
            if count % TOLD == 0 or count == len(index):
                advance(count - told)
                told = count
    finally:
        os.close(handle)
    return read, wrong
