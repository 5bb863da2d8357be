"""What a format yields: one image of a source, with whatever came along with it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from assay.data.annotations import Annotation

IGNORED = "ignored"
DANGLING = "dangling link"
"""A reason of `skip`: what it leads to may be back tomorrow."""


@dataclass(slots=True)  # not frozen: sixty thousand of them are made at every look
class Record:
    """One image of a source: its bytes are in `file`, or in `data` where there is no file.

    `path` (relative, forward slashes) tells it from the others of its source. `annotations` is None for an
    image that nobody has labelled; an empty list says that somebody looked and there is nothing on it.
    """

    path: str
    file: str | Path | None = None
    data: bytes | None = None
    annotations: list[Annotation] | None = None
    split: str | None = None
    group: str | None = None
    captured_at: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    skip: str | None = None
    """Why this is not to be read: IGNORED is only counted, whatever else it says is the reason of its quarantine."""
    truth: list[Annotation] | None = None
    """Only replays have it: the right answer, kept apart for the oracle and the benchmarks."""
    stat: os.stat_result | None = field(default=None, compare=False, repr=False)
    """Of `file`, where the format had it at hand: spares ingest a second look."""
