"""What ingest does when there is something to do: read what is new in a source and append it to the pool.

Apart from the stage, as a look that finds nothing new should not wait for what only reading needs.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from assay import plugins
from assay.data import columns, watch
from assay.data.edits import Annotation, annotations_json
from assay.data.files import read_table, replacing
from assay.data.images import ImageInfo, inspect
from assay.data.pool import PoolWriter, content_id, side_table
from assay.data.records import Record
from assay.errors import BadImage
from assay.layout import Layout
from assay.params import Ingest, Source
from assay.progress import Progress

BATCH, BATCH_BYTES = 256, 4 << 20
"""A thread is handed so many files, or so many bytes, at a time: enough to pay for the handing over."""
THREADS = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
AHEAD = 2 * THREADS
"""Batches that wait for their turn: with BATCH_BYTES, what bounds the memory."""

SEEN = pa.schema({"path": pa.string(), "size": pa.int64(), "mtime_ns": pa.int64(), "id": pa.string()})


class Image(NamedTuple):
    """A file that was read. `info` is None for one that the pool had already: it is not decoded again."""

    id: str
    data: bytes
    info: ImageInfo | None


class Refused(NamedTuple):
    """A file that is no usable image."""

    sha256: str
    size: int
    reason: str


What = tuple[int, int, str | None]
"""Size and mtime_ns of a file, and its content id; None if it was quarantined."""
Listed = tuple[Record, int, int]
"""A record with the size and mtime_ns of its file."""
Found = Image | Refused
Pending = tuple[list[Listed], Future[dict[str, Found]] | None]
"""A batch, and what is being read of it, if anything."""


@dataclass
class Seen:
    """The files of one source, by path, and what became of them."""

    files: dict[str, What] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Of those that are on disk: see assay.data.watch."""


class Door:
    """One source, looked through once."""

    def __init__(
        self, source: Source, params: Ingest, layout: Layout, pool: PoolWriter, progress: Progress
    ) -> None:
        self.source, self.params, self.pool, self.progress = source, params, pool, progress
        self.root = layout.root
        self.format = plugins.load("formats", source.format)
        self.memory = layout.scratch / "ingest" / f"{source.name}.parquet"
        self.refused = _refused(layout, source.name)
        self.answered = set(side_table(layout.pool, "truth")["id"].to_pylist())
        self.latest = _latest_rows(layout, source.name)

    def look(self) -> Seen:
        """Go through the source; what is new is in the pool, committed, when this returns."""
        remembered, mark = self._recall()
        if mark is not None and mark == self._mark():
            return remembered
        seen = Seen()
        with self.progress.bar(f"ingest {self.source.name}", None, "files") as advance:
            for batch, what in self._take_in(self.format.read(self.source, self.root), remembered.files):
                seen.files.update(what)
                seen.notes += [
                    watch.note(r.file, size, mtime) for r, size, mtime in batch if r.file is not None
                ]
                advance(len(batch))
        if self.source.mirror:
            self._mark_gone(seen.files)
        self.pool.commit()
        self._remember(seen.files)
        return seen

    def _take_in(
        self, records: Iterable[Record], remembered: dict[str, What]
    ) -> Iterator[tuple[list[Listed], dict[str, What]]]:
        """Read, hash and decode in threads (all three let go of the interpreter); store in order."""
        with ThreadPoolExecutor(THREADS) as threads:
            pending: deque[Pending] = deque()
            for batch in batches(records):
                fresh = [listed[0] for listed in batch if not _is_remembered(*listed, remembered)]
                pending.append((batch, threads.submit(self._read, fresh) if fresh else None))
                if len(pending) > AHEAD:
                    yield self._settle(*pending.popleft(), remembered=remembered)
            while pending:
                yield self._settle(*pending.popleft(), remembered=remembered)

    def _settle(
        self, batch: list[Listed], read: Future[dict[str, Found]] | None, remembered: dict[str, What]
    ) -> tuple[list[Listed], dict[str, What]]:
        """Store what was read of a batch, and import what came along with all of it."""
        found = read.result() if read is not None else {}
        seen = {}
        for record, size, mtime in batch:
            fresh = found.get(record.path)
            sample = remembered[record.path][2] if fresh is None else self._store(record, fresh)
            if sample is not None:
                self._note(record, sample)
            seen[record.path] = (size, mtime, sample)
        return batch, seen

    def _read(self, records: list[Record]) -> dict[str, Found]:
        return {record.path: self._read_one(record) for record in records}

    def _read_one(self, record: Record) -> Image | Refused:
        try:
            data = record.data if record.data is not None else _bytes_of(record)
        except OSError as error:
            return Refused("", 0, f"unreadable: {error.strerror}")
        sample = content_id(data)
        try:
            known = sample in self.pool.known
            return Image(sample, data, None if known else inspect(data, self.params.max_pixels))
        except BadImage as error:
            return Refused(sample, len(data), str(error))

    def _store(self, record: Record, found: Image | Refused) -> str | None:
        """Put a file that was read where it belongs; its content id, or None if it was quarantined."""
        if isinstance(found, Refused):
            if (record.path, found.sha256) not in self.refused:
                self.pool.add_row("quarantine", (self.source.name, record.path, *found))
            return None
        if found.info is not None:
            self.pool.add(found.id, found.data, found.info)
        if record.truth is not None and found.id not in self.answered:
            self.answered.add(found.id)
            self.pool.add_row("truth", (found.id, annotations_json(record.truth)))
        return found.id

    def _note(self, record: Record, sample: str) -> None:
        """Import what came along with an image, if it says anything that the pool has not been told."""
        row = _row(self.source.name, record, sample)
        if self.latest.get(record.path) != row:
            self.pool.add_row("imports", row)
        if self.pool.full:
            self.pool.commit()

    def _mark_gone(self, seen: dict[str, Any]) -> None:
        for path, row in self.latest.items():
            if path not in seen and not row[-1]:
                self.pool.add_row("imports", (*row[:-1], True))

    def _mark(self) -> str | None:
        """For a source that is not files: a text that changes when its images would. None: look at it."""
        fingerprint = getattr(self.format, "fingerprint", None)
        return None if fingerprint is None else str(fingerprint(self.source))

    def _recall(self) -> tuple[Seen, str | None]:
        """What the last look saw, less what the pool no longer holds (it may have been checked out anew)."""
        if not self.memory.exists():
            return Seen(), None
        table = read_table(self.memory)
        notes = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        if notes.get("max_pixels") != str(self.params.max_pixels):
            return Seen(), None
        values = (table[name].to_pylist() for name in SEEN.names)
        refused = {path for path, _ in self.refused}
        held = {
            path: (size, mtime, sample)
            for path, size, mtime, sample in zip(*values, strict=True)
            if (sample in self.pool.known if sample else path in refused)
        }
        whole = len(held) == len(table) and self.latest.keys() == {p for p, v in held.items() if v[2]}
        return Seen(held), notes.get("mark") if whole else None

    def _remember(self, seen: dict[str, What]) -> None:
        rows = [(path, *what) for path, what in seen.items()]
        notes = {"max_pixels": str(self.params.max_pixels)}
        if (mark := self._mark()) is not None:
            notes["mark"] = mark
        with replacing(self.memory) as aside:
            pq.write_table(columns.table(rows, SEEN.with_metadata(notes)), aside)


def batches(records: Iterable[Record]) -> Iterator[list[Listed]]:
    """Records with size and time, a batch at a time: see BATCH."""
    batch: list[Listed] = []
    room = BATCH_BYTES
    for record in records:
        size, mtime = _stat(record)
        batch.append((record, size, mtime))
        room -= size
        if room <= 0 or len(batch) == BATCH:
            yield batch
            batch, room = [], BATCH_BYTES
    if batch:
        yield batch


def _is_remembered(record: Record, size: int, mtime: int, remembered: dict[str, What]) -> bool:
    """Whether a file is as it was at the last look; of what is no file, only its content can tell."""
    old = remembered.get(record.path)
    return old is not None and old[:2] == (size, mtime) and record.file is not None


def _stat(record: Record) -> tuple[int, int]:
    if record.file is None:
        return len(record.data or b""), 0
    try:
        found = record.stat or Path(record.file).stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _bytes_of(record: Record) -> bytes:
    """All of a file in three system calls: the seven of `open().read()` cost a small image more than its hash."""
    file = str(record.file)
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        size = (record.stat or os.fstat(handle)).st_size
        data = os.read(handle, size + 1)
    finally:
        os.close(handle)
    return data if len(data) == size else Path(file).read_bytes()  # it grew, or came in pieces


def _row(source: str, record: Record, sample: str) -> tuple[Any, ...]:
    """A row of the imports: the order is that of IMPORTS."""
    return (
        sample,
        source,
        record.path,
        _annotations(record.annotations),
        record.split,
        record.group,
        record.captured_at,
        json.dumps(record.metadata, sort_keys=True, ensure_ascii=False) if record.metadata else "{}",
        False,
    )


def _annotations(annotations: list[Annotation] | None) -> str | None:
    if annotations and len(annotations) == 1 and annotations[0].bbox is annotations[0].segmentation is None:
        return _tag(annotations[0].category)
    return annotations_json(annotations)


@lru_cache(maxsize=4096)
def _tag(category: str) -> str | None:
    return annotations_json([Annotation(category=category)])


def _latest_rows(layout: Layout, source: str) -> dict[str, tuple[Any, ...]]:
    """The last imported row of each path of a source."""
    imports = side_table(layout.pool, "imports")
    values = [imports[name].to_pylist() for name in imports.column_names]
    return {row[2]: row for row in zip(*values, strict=True) if row[1] == source}


def _refused(layout: Layout, source: str) -> set[tuple[str, str]]:
    rows = side_table(layout.pool, "quarantine").to_pylist()
    return {(row["path"], row["sha256"]) for row in rows if row["source"] == source}


def balance(seen: Seen, taken: set[str], layout: Layout, source: Source) -> dict[str, Any]:
    """The books of one source: files = samples + duplicates + quarantined. `taken` grows by its samples."""
    ids = [sample for _, _, sample in seen.files.values() if sample is not None]
    new = set(ids) - taken
    taken |= new
    reasons = {
        row["path"]: row["reason"]
        for row in side_table(layout.pool, "quarantine").to_pylist()
        if row["source"] == source.name
    }
    refused = [path for path, (_, _, sample) in seen.files.items() if sample is None]
    return {
        "files": len(seen.files),
        "samples": len(new),
        "duplicates": len(ids) - len(new),
        "quarantined": len(refused),
        "reasons": dict(Counter(reasons[path].split(":")[0] for path in refused)),
    }
