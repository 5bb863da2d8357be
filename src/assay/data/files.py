"""Files that are either whole or not there: written aside, flushed to disk, renamed into place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import MissingInput

if TYPE_CHECKING:
    import pyarrow as pa

ASIDE = ".tmp"
"""Suffix of what is being written; whoever opens a folder for writing may delete leftovers."""


def sync_dir(path: Path) -> None:
    """Make the renames in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes its place if the block ends well, and goes if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}{ASIDE}")
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
        sync_dir(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def fresh_dir(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place, whole, if the block ends well."""
    aside = path.with_name(f"{path.name}{ASIDE}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        shutil.rmtree(path, ignore_errors=True)
        aside.replace(path)
        sync_dir(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as aside:
        aside.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Sorted keys, two spaces, one newline at the end: the same value is the same bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def write_table(path: Path, table: pa.Table) -> None:
    """Parquet, zstd. The same table is the same bytes for one version of pyarrow."""
    import pyarrow.parquet as pq

    with replacing(path) as aside:
        pq.write_table(table.combine_chunks(), aside, compression="zstd")


def read_json(path: Path, made_by: str | None = None) -> Any:
    """Parsed JSON. MissingInput if the file is absent, saying which stage writes it."""
    _require(path, made_by)
    return json.loads(path.read_text(encoding="utf-8"))


def read_table(path: Path, columns: list[str] | None = None, made_by: str | None = None) -> pa.Table:
    """A Parquet file. MissingInput if it is absent, saying which stage writes it."""
    import pyarrow.parquet as pq

    _require(path, made_by)
    with pq.ParquetFile(path) as file:  # pq.read_table would import pandas, half a second
        table = file.read(columns=columns)
    return table if columns is None else table.select(columns)


def _require(path: Path, made_by: str | None) -> None:
    if not path.exists():
        raise MissingInput(
            f"{path} is not there",
            hint=f"run `assay {made_by}` first, or `dvc repro`" if made_by else "run `dvc repro`",
        )
