"""Parquet files read in small batches: one that is read at once takes several times the memory of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.data.files import legible
from assay.web.ids import Raw, raw_ids

BATCH = 8192
"""Rows of a batch."""


def table(file: Path, columns: Sequence[str], coded: Sequence[str] = ()) -> pa.Table:
    """Those of the columns that a file has; texts of `coded` as dictionaries. DamagedFile if it is no Parquet."""
    with _opened(file) as parquet:
        there = parquet.schema_arrow.names
    return pa.table({name: _column(file, name, name in coded) for name in columns if name in there})


def ids(file: Path) -> Raw:
    """(n, 32) the column `id`."""
    return np.concatenate([np.zeros((0, 32), np.uint8), *(raw_ids(one) for one in _batches(file, "id"))])


def _column(file: Path, name: str, coded: bool) -> pa.ChunkedArray:
    parts = [one.dictionary_encode() if coded else one for one in _batches(file, name)]
    whole = pa.chunked_array(parts)
    if coded and whole.null_count == len(whole) > 0:
        return pa.chunked_array([pa.nulls(len(whole))])  # takes no memory
    return whole.unify_dictionaries().combine_chunks()


def _batches(file: Path, name: str) -> Iterator[pa.Array]:
    """A column in batches; at least one."""
    with _opened(file) as parquet:
        if not parquet.metadata.num_rows:
            yield parquet.schema_arrow.empty_table()[name].combine_chunks()
        for one in parquet.iter_batches(BATCH, columns=[name], use_threads=False):
            yield one[name]


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    with legible(file), pq.ParquetFile(file, memory_map=True) as parquet:
        yield parquet
    release()


def release() -> None:
    """Give free memory back to the system, as far as the allocator can."""
    pa.default_memory_pool().release_unused()
