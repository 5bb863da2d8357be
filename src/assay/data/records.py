"""Records: what a format reads and writes, one image with its annotations and metadata each."""

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
"""A reason of `skip`. The target of the link may exist again at the next ingest."""


class Issue(NamedTuple):
    """A defect of an object in a source. `where`: file and row."""

    where: str
    what: str
    outcome: Literal["taken", "fixed", "refused"]
    objects: int = 1

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.outcome}"


@dataclass(slots=True)  # not frozen, which would make construction slower: one per image at every ingest
class Record:
    """One image of a source: its bytes are in `file`, or in `data` if there is no file.

    `path` (relative, forward slashes) is unique within its source. `annotations`: None for an unlabelled image, an
    empty list for a labelled image without objects.
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
    """Why the file is not read: IGNORED files are only counted; any other text is a reason of quarantine."""
    truth: list[Annotation] | None = None
    """The right annotations, in replays only; stored apart, for the oracle and the benchmarks."""
    stat: os.stat_result | None = field(default=None, compare=False, repr=False)
    """Of `file`, if the format has it already: saves ingest a system call."""
    issues: list[Issue] = field(default_factory=list)
    """Defects of its objects; refused objects are not in `annotations`."""
    beside: tuple[str, ...] = ()
    """Other files and folders that it was read from, existing or not: a change of one makes ingest read the source."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One image of a data set that a format writes. `path`: relative, forward slashes, unique."""

    path: str
    read: Callable[[], bytes]
    width: int
    height: int
    """Of the upright image."""
    annotations: list[Annotation]
    split: str


@dataclass
class Written:
    """Result of writing. `lost`: kind of loss -> objects, or images where it says so."""

    objects: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    options: dict[str, Any] = field(default_factory=dict)
    """Options of a source that reads the data set again."""
    format: str | None = None
    """Its format, if another one."""
    path: str = "."
    """Its path, relative to the folder."""
