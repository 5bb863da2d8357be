"""Outcome of each file of a source, kept in `.assay` so that the next run reads changed files only.

A file is unchanged if its stamp is (`assay.intake.watch`). Unreadable files are not kept; refused ones are kept while
limits and code are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from assay.data import columns
from assay.data.files import read_table, write_table
from assay.data.records import DANGLING
from assay.intake.watch import UNREADABLE, Stamp

SEEN = pa.schema(
    {
        "path": pa.string(),
        **dict.fromkeys(("size", "mtime_ns", "ctime_ns", "inode"), pa.int64()),
        "id": pa.string(),
        "reason": pa.string(),
    }
)
UNKNOWN = (UNREADABLE, DANGLING, "too deep")
"""Reasons that do not show what a file contains: it may be unchanged."""


class SeenFile(NamedTuple):
    """Outcome of a file: accepted as `id`, or refused for `reason`."""

    stamp: Stamp
    id: str | None
    reason: str | None = None


@dataclass
class Seen:
    """Outcomes of the files of a source, by path."""

    files: dict[str, SeenFile] = field(default_factory=dict)
    ignored: int = 0
    notes: list[str] = field(default_factory=list)
    """Notes of the files on disk: see `assay.intake.watch`."""

    @property
    def refused(self) -> dict[str, str]:
        """{path: reason} of the refused files."""
        return {path: what.reason for path, what in self.files.items() if what.reason is not None}

    def reasons(self) -> dict[str, int]:
        """{short reason: number of refused files}."""
        return dict(Counter(reason.split(":")[0] for reason in self.refused.values()))

    def unknown(self) -> frozenset[str]:
        """Paths of files and folders that could not be read."""
        return frozenset(path.rstrip("/") for path, why in self.refused.items() if why.startswith(UNKNOWN))


def is_unknown(path: str, unknown: frozenset[str]) -> bool:
    """Whether a file or one of its parent folders is in `unknown`."""
    return bool(unknown) and any(place in unknown for place in (path, *_above(path)))


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def recall(memory: Path, judge: str) -> tuple[dict[str, SeenFile], str | None]:
    """Outcomes of the last run and its mark; without the refused ones if `judge` (limits and code) has changed."""
    try:
        table = read_table(memory)
        notes = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        values = [table[name].to_pylist() for name in SEEN.names]
    except Exception:  # missing, broken or of another version: all files are read again
        return {}, None
    same = notes.get("judge") == judge
    files = {
        path: SeenFile((size, mtime, ctime, inode), sample, reason)
        for path, size, mtime, ctime, inode, sample, reason in zip(*values, strict=True)
        if same or sample is not None
    }
    return files, notes.get("mark") if same else None


def remember(memory: Path, seen: Seen, judge: str, mark: str | None) -> None:
    """Write the outcomes for the next run."""
    rows = [
        (path, *what.stamp, what.id, what.reason)
        for path, what in seen.files.items()
        if what.reason is None or not what.reason.startswith(UNREADABLE)
    ]
    notes = {"judge": judge} | ({} if mark is None else {"mark": mark})
    write_table(memory, columns.table(rows, SEEN.with_metadata(notes)))
