"""Reads new and changed files of a source and appends them to the pool.

Separate from the stage, so that a run without changes does not import what only reading needs.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import PIL

from assay import plugins
from assay.data.annotations import Annotation, annotations_json
from assay.data.images.decode import ImageInfo, inspect
from assay.data.pool import PoolWriter, content_id, side_table
from assay.data.records import IGNORED, Record
from assay.data.shards import read_index
from assay.errors import BadImage
from assay.formats._objects import Counts, fit_to_image, has_objects
from assay.formats._remarks import ClassRemarks
from assay.intake import seen as memory
from assay.intake import watch
from assay.intake.reading import read_file
from assay.intake.seen import Seen, SeenFile, is_unknown
from assay.intake.watch import NOWHERE, UNREADABLE, Stamp, unreadable
from assay.layout import Layout
from assay.params import Ingest, Source
from assay.progress import Progress

BATCH, BATCH_BYTES = 256, 4 << 20
"""Size of the batch of files for a thread, in files and in bytes: large enough to hide the overhead."""
THREADS = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
AHEAD = 2 * THREADS
"""Most batches in flight; with BATCH_BYTES it limits the memory."""

TOLD = 5
"""Most unreadable files and folders named."""


class Image(NamedTuple):
    """A file that was read. `info` is None if the pool has the image already; it is not decoded again."""

    id: str
    data: bytes
    info: ImageInfo | None


class RefusedImage(NamedTuple):
    """A file that is not a usable image."""

    sha256: str
    size: int
    reason: str


Listed = tuple[Record, Stamp]
"""A record with the stamp of its file."""
Found = Image | RefusedImage
Pending = tuple[list[Listed], Future[dict[str, Found]] | None]
"""A batch, and the future of its reading, if it has files to read."""


class SourceReader:
    """One pass over a source."""

    def __init__(
        self, source: Source, params: Ingest, layout: Layout, pool: PoolWriter, progress: Progress
    ) -> None:
        self.source, self.params, self.pool, self.progress = source, params, pool, progress
        self.root = layout.root
        self.format = plugins.load("formats", source.format)
        self.memory = layout.scratch / "ingest" / f"{source.name}.parquet"
        limits = f"{params.max_pixels} {params.max_mb} {source.mirror}"
        self.judge = f"{limits} {PIL.__version__} {(layout.code / 'ingest').read_text()}"
        self.refused = _refused(layout, source.name)
        self.answered = set(side_table(layout.pool, "truth")["id"].to_pylist())
        self.latest = _latest_rows(layout, source.name)
        self.classes = ClassRemarks()
        self.objects = Counts()
        self.new_sizes: dict[str, tuple[int, int]] = {}

    def look(self) -> Seen:
        """List the source; new images are in the pool, committed, when this returns."""
        remembered, mark = self._recall()
        if mark is not None and mark == self._mark():
            return Seen(remembered)
        seen = Seen()
        with self.progress.bar(f"ingest {self.source.name}", None, "files") as advance:
            for batch, read in self._take_in(self.format.read(self.source, self.root), remembered):
                self._settle(batch, read, remembered, seen)
                advance(len(batch))
        self._mark_gone(seen)
        self.pool.commit()
        memory.remember(self.memory, seen, self.judge, self._mark())
        self._tell(seen)
        return seen

    def _take_in(
        self, records: Iterable[Record], remembered: dict[str, SeenFile]
    ) -> Iterator[tuple[list[Listed], dict[str, Found]]]:
        """Read, hash and decode in threads (all three release the GIL); yield in order."""
        with ThreadPoolExecutor(THREADS) as threads:
            pending: deque[Pending] = deque()
            for batch in batches(records):
                fresh = [listed[0] for listed in batch if not _is_remembered(*listed, remembered)]
                pending.append((batch, threads.submit(self._read, fresh) if fresh else None))
                if len(pending) > AHEAD:
                    yield _awaited(*pending.popleft())
            while pending:
                yield _awaited(*pending.popleft())

    def _settle(
        self, batch: list[Listed], read: dict[str, Found], remembered: dict[str, SeenFile], seen: Seen
    ) -> None:
        """Store the new images of a batch, and import the labels of all its records."""
        for record, stamp in batch:
            if record.skip == IGNORED:
                seen.ignored += 1
                continue
            if record.file is not None:
                seen.notes.append(
                    watch.note(record.file, stamp)
                    if record.skip is None
                    else watch.noted(os.fspath(record.file))
                )
            self.classes.meet(record)
            seen.notes += map(watch.noted, record.beside)
            fresh = read.get(record.path)
            what = remembered[record.path] if fresh is None else SeenFile(stamp, *self._store(record, fresh))
            if has_objects(record):
                fit_to_image(record, self._size(what.id))
            self.objects.meet(record)
            if what.id is not None:
                self._note(record, what.id)
            seen.files[record.path] = what

    def _read(self, records: list[Record]) -> dict[str, Found]:
        return {record.path: self._read_one(record) for record in records}

    def _read_one(self, record: Record) -> Found:
        if record.skip is not None:
            return RefusedImage("", 0, record.skip)
        size = record.stat.st_size if record.stat is not None else 0
        try:
            data = record.data if record.data is not None else self._bytes_of(record)
        except OSError as error:
            return RefusedImage("", size, unreadable(error))
        except MemoryError:
            return RefusedImage("", size, f"{UNREADABLE}: larger than the free memory")
        except BadImage as error:
            return RefusedImage("", size, str(error))
        sample = content_id(data)
        try:
            known = sample in self.pool.known
            return Image(sample, data, None if known else inspect(data, self.params.max_pixels))
        except BadImage as error:
            return RefusedImage(sample, len(data), str(error))

    @cached_property
    def _known_sizes(self) -> dict[str, tuple[int, int]]:
        """Width and height of each image that is committed, by id."""
        index = read_index(self.pool.path)
        ids, *size = (index[name].to_pylist() for name in ("id", "width", "height"))
        return dict(zip(ids, zip(*size, strict=True), strict=True))

    def _size(self, sample: str | None) -> tuple[int, int] | None:
        """Width and height of an image; None for one that was refused."""
        if sample is None:
            return None
        return self.new_sizes.get(sample) or self._known_sizes[sample]

    def _bytes_of(self, record: Record) -> bytes:
        file = os.fspath(record.file or "")
        size = (record.stat or os.stat(file)).st_size  # noqa: PTH116
        return read_file(file, size, self.params.max_mb << 20)

    def _store(self, record: Record, found: Found) -> tuple[str | None, str | None]:
        """Store a file in the pool or in quarantine. Returns (content id, None) or (None, reason)."""
        if isinstance(found, RefusedImage):
            if (key := (record.path, found.sha256, found.reason)) not in self.refused:
                self.refused.add(key)
                self.pool.add_row("quarantine", (self.source.name, record.path, *found))
            return None, found.reason
        if found.info is not None:
            self.pool.add(found.id, found.data, found.info)
            self.new_sizes[found.id] = found.info.width, found.info.height
        if record.truth is not None and found.id not in self.answered:
            self.answered.add(found.id)
            self.pool.add_row("truth", (found.id, annotations_json(record.truth)))
        return found.id, None

    def _note(self, record: Record, sample: str) -> None:
        """Import the row of a record (label, split, group, metadata), if it differs from the last one of its path."""
        row = _row(self.source.name, record, sample)
        if self.latest.get((record.path, sample)) != row:
            self.pool.add_row("imports", row)
        if self.pool.full:
            self.pool.commit()

    def _mark_gone(self, seen: Seen) -> None:
        """Record paths that no longer have their image: of images that are elsewhere now, and with `mirror` of all.

        An image has the labels of the files that contain it; without any, those of the last one.
        """
        there, unknown = {what.id for what in seen.files.values()}, seen.unknown()
        for (path, sample), row in self.latest.items():
            if (what := seen.files.get(path)) is not None and what.id == sample:
                continue
            if not row[-1] and (self.source.mirror or sample in there) and not is_unknown(path, unknown):
                self.pool.add_row("imports", (*row[:-1], True))

    def _tell(self, seen: Seen) -> None:
        """Print unreadable files and folders; until they are readable, every later run lists the source in full."""
        missed = [f"{path}: {why}" for path, why in seen.refused.items() if why.startswith(UNREADABLE)]
        for line in missed[:TOLD]:
            self.progress.say(f"source {self.source.name!r}: {line}")
        if len(missed) > TOLD:
            self.progress.say(f"source {self.source.name!r}: and {len(missed) - TOLD:,} more")

    def _mark(self) -> str | None:
        """For a source without files: a text that changes with its images. None: list it."""
        fingerprint = getattr(self.format, "fingerprint", None)
        return None if fingerprint is None else str(fingerprint(self.source))

    def _recall(self) -> tuple[dict[str, SeenFile], str | None]:
        """Files of the last pass, without those that the pool lacks (it may be of another revision), and its mark."""
        files, mark = memory.recall(self.memory, self.judge)
        refused = {(path, reason) for path, _, reason in self.refused}
        held = {
            path: what
            for path, what in files.items()
            if (what.id in self.pool.known if what.id else (path, what.reason) in refused)
        }
        rows = (self.latest.get((path, what.id)) for path, what in held.items() if what.id)
        whole = len(held) == len(files) and all(row is not None and not row[-1] for row in rows)
        return held, mark if whole else None


def _awaited(
    batch: list[Listed], read: Future[dict[str, Found]] | None
) -> tuple[list[Listed], dict[str, Found]]:
    return batch, read.result() if read is not None else {}


def batches(records: Iterable[Record]) -> Iterator[list[Listed]]:
    """The records in batches: see BATCH."""
    batch: list[Listed] = []
    room = BATCH_BYTES
    for record in records:
        stamp = _stamp(record)
        batch.append((record, stamp))
        room -= stamp[0]
        if room <= 0 or len(batch) == BATCH:
            yield batch
            batch, room = [], BATCH_BYTES
    if batch:
        yield batch


def _is_remembered(record: Record, stamp: Stamp, remembered: dict[str, SeenFile]) -> bool:
    """Whether a file is unchanged since the last pass, or ignored; False for records without a file."""
    if record.skip == IGNORED:
        return True
    old = remembered.get(record.path)
    return old is not None and old.stamp == stamp != NOWHERE and record.file is not None


def _stamp(record: Record) -> Stamp:
    if record.file is None:
        return len(record.data or b""), 0, 0, 0
    if record.skip is not None:
        return NOWHERE
    try:
        return watch.stamp(record.stat or os.stat(record.file))  # noqa: PTH116
    except OSError:
        return NOWHERE


def _row(source: str, record: Record, sample: str) -> tuple[Any, ...]:
    """A row of the imports, in the order of IMPORTS."""
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
    if annotations and annotations == [_plain(annotations[0].category)]:
        return _tag(annotations[0].category)
    return annotations_json(annotations)


@lru_cache(maxsize=4096)
def _plain(category: str) -> Annotation:
    return Annotation(category=category)


@lru_cache(maxsize=4096)
def _tag(category: str) -> str | None:
    return annotations_json([_plain(category)])


def _latest_rows(layout: Layout, source: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    """{(path, image): last imported row} of a source."""
    imports = side_table(layout.pool, "imports")
    values = [imports[name].to_pylist() for name in imports.column_names]
    return {(row[2], row[0]): row for row in zip(*values, strict=True) if row[1] == source}


def _refused(layout: Layout, source: str) -> set[tuple[str, str, str]]:
    rows = side_table(layout.pool, "quarantine").to_pylist()
    return {(row["path"], row["sha256"], row["reason"]) for row in rows if row["source"] == source}


def balance(seen: Seen, taken: set[str]) -> dict[str, Any]:
    """Counts of a source, files = samples + duplicates + quarantined + ignored. Adds its samples to `taken`."""
    ids = [what.id for what in seen.files.values() if what.id is not None]
    new = set(ids) - taken
    taken |= new
    return {
        "files": len(seen.files) + seen.ignored,
        "samples": len(new),
        "duplicates": len(ids) - len(new),
        "quarantined": len(seen.refused),
        "ignored": seen.ignored,
        "reasons": seen.reasons(),
    }
