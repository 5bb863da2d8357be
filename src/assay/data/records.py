"""What a format yields: one image of a source, with whatever came along with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from assay.data.annotations import Annotation

IGNORED = "ignored"
DANGLING = "dangling link"
"""A reason of `skip`: what it leads to may be back tomorrow."""


class Issue(NamedTuple):
    """What is wrong with an object that a source names. `where`: file and row."""

    where: str
    what: str
    outcome: Literal["taken", "fixed", "refused"]
    objects: int = 1

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.outcome}"


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
    issues: list[Issue] = field(default_factory=list)
    """What was wrong with its objects: those that were refused are not among `annotations`."""
    beside: tuple[str, ...] = ()
    """Other files and folders that it was read from, there or not: ingest looks again when one of them changes."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One image of a data set that is written in a format. `path`: relative, forward slashes, every path once."""

    path: str
    read: Callable[[], bytes]
    width: int
    height: int
    """Of the upright image."""
    annotations: list[Annotation]
    split: str


@dataclass
class Written:
    """What came of writing. `lost`: what the format cannot hold -> objects; `options`: what reading it back needs."""

    objects: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    options: dict[str, Any] = field(default_factory=dict)
