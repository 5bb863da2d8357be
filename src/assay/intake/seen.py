"""What became of each file of a source at a look, kept in `.assay` so that the next one reads only what has changed.

A file counts as unchanged by its stamp: see assay.intake.watch. What could not be read is never kept, and what was
refused only as long as the same limits and the same code judge it.
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
"""Refused for one of these, a file may still be what it was before."""


class What(NamedTuple):
    """A file, taken in as `id` or refused for `reason`."""

    stamp: Stamp
    id: str | None
    reason: str | None = None


@dataclass
class Seen:
    """The files of one source, by path."""

    files: dict[str, What] = field(default_factory=dict)
    ignored: int = 0
    notes: list[str] = field(default_factory=list)
    """Of those that are on disk: see assay.intake.watch."""

    @property
    def refused(self) -> dict[str, str]:
        """The reasons, by path."""
        return {path: what.reason for path, what in self.files.items() if what.reason is not None}

    def reasons(self) -> dict[str, int]:
        """How many were refused for what, in short."""
        return dict(Counter(reason.split(":")[0] for reason in self.refused.values()))

    def unknown(self) -> frozenset[str]:
        """Paths of files and folders of which this look could not tell what they hold."""
        return frozenset(path.rstrip("/") for path, why in self.refused.items() if why.startswith(UNKNOWN))


def is_unknown(path: str, unknown: frozenset[str]) -> bool:
    """Whether a file, or a folder that it is in, is among those."""
    return bool(unknown) and any(place in unknown for place in (path, *_above(path)))


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def recall(memory: Path, judge: str) -> tuple[dict[str, What], str | None]:
    """Files of the last look and its mark; without those refused if another `judge` (limits, code) refused them."""
    try:
        table = read_table(memory)
        notes = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        values = [table[name].to_pylist() for name in SEEN.names]
    except Exception:  # no memory, a broken one, or another version's: everything is looked at anew
        return {}, None
    same = notes.get("judge") == judge
    files = {
        path: What((size, mtime, ctime, inode), sample, reason)
        for path, size, mtime, ctime, inode, sample, reason in zip(*values, strict=True)
        if same or sample is not None
    }
    return files, notes.get("mark") if same else None


def remember(memory: Path, seen: Seen, judge: str, mark: str | None) -> None:
    """Keep a look for the next one."""
    rows = [
        (path, *what.stamp, what.id, what.reason)
        for path, what in seen.files.items()
        if what.reason is None or not what.reason.startswith(UNREADABLE)
    ]
    notes = {"judge": judge} | ({} if mark is None else {"mark": mark})
    write_table(memory, columns.table(rows, SEEN.with_metadata(notes)))
