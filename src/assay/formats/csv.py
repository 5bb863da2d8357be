"""A table of images: one row each, with a header.

    path,label,split,group,captured_at,camera
    images/1.jpg,cat,train,animal-7,2024-05-01T12:00:00,left
    images/2.jpg,,,,,right

`path` is relative to `image_root` (default: the folder of the CSV). An empty `label` is an unlabelled image.
`split` (train, val, test), `group` and `captured_at` (ISO 8601) need not be there; every other column is
metadata. Nothing is taken in from a table with a bad row: all of them are reported together.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field

from assay.data.edits import Annotation
from assay.data.records import Record
from assay.errors import SourceError
from assay.formats import options_of, place_of
from assay.params import SPLITS, Section, Source

SHOWN = 20
"""Bad rows that are spelt out; of the rest their number."""


class Options(Section):
    path: str = "path"
    label: str = "label"
    split: str = "split"
    group: str = "group"
    captured_at: str = "captured_at"
    """Those five: what the columns are called."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    image_root: str | None = None
    """Where the paths start, relative to the project's root."""


def read(source: Source, root: Path) -> Iterator[Record]:
    """The rows of `source.path`, sorted by path. SourceError names every bad row by its line."""
    options = options_of(source, Options)
    file = place_of(source, root)
    if not file.is_file():
        raise SourceError(f"source {source.name!r}: {file} is not a file", hint="name the CSV itself")
    images = root / options.image_root if options.image_root is not None else file.parent
    table = Table(f"source {source.name!r}: {file}", options, images)
    return iter(table.records(file.read_bytes()))


@dataclass
class Table:
    """One reading of a CSV; `problems` are lines to show."""

    where: str
    options: Options
    images: Path
    problems: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """Where a path was met first."""

    def records(self, data: bytes) -> list[Record]:
        unreadable = {n for n, line in enumerate(data.split(b"\n"), 1) if not _is_utf8(line)}
        text = io.StringIO(data.decode("utf-8-sig", "replace"), newline="")
        rows = csv.reader(text, delimiter=self.options.delimiter, strict=True)
        records = list(self._rows(rows, unreadable))
        if self.problems:
            raise SourceError(
                f"{self.where}: {len(self.problems)} bad rows, nothing was taken in:\n{self._shown()}",
                hint="mend them and run it again",
            )
        return sorted(records, key=lambda record: record.path)

    def _rows(self, rows: Reader, unreadable: set[int]) -> Iterator[Record]:
        line = 1
        try:
            header = self._header(next(rows, []))
            line = rows.line_num + 1
            for row in rows:
                if bad := unreadable.intersection(range(line, rows.line_num + 1)):
                    self._note(min(bad), "not UTF-8: save the table as UTF-8")
                elif len(row) not in (0, len(header)):
                    self._note(line, f"{len(row)} columns, the header has {len(header)}")
                elif row and (record := self._record(line, dict(zip(header, row, strict=True)))) is not None:
                    yield record
                line = rows.line_num + 1
        except csv.Error as error:
            self._note(line, f"not CSV from here on: {error}")

    def _header(self, header: list[str]) -> list[str]:
        names = [name.strip() for name in header]
        asked = {getattr(self.options, field) for field in self.options.model_fields_set & OPTIONAL}
        asked |= {self.options.path, self.options.label}
        if missing := sorted(asked - set(names)):
            raise SourceError(
                f"{self.where}: no column {', '.join(missing)}; there is {', '.join(names) or 'nothing'}",
                hint="name the columns in the source's options: path, label (empty cells: unlabelled) …",
            )
        if twice := sorted(name for name, n in Counter(names).items() if n > 1 or not name):
            raise SourceError(
                f"{self.where}: columns without a name of their own: {', '.join(map(repr, twice))}"
            )
        return names

    def _record(self, line: int, row: dict[str, str]) -> Record | None:
        """A row as a record, or None and its problems noted."""
        before = len(self.problems)
        cells = {name: cell.strip() for name, cell in row.items()}
        path = self._path(line, cells.pop(self.options.path))
        label = cells.pop(self.options.label)
        split = self._split(line, cells.pop(self.options.split, ""))
        group = cells.pop(self.options.group, "") or None
        captured_at = self._date(line, cells.pop(self.options.captured_at, ""))
        found = self._stat(line, path) if path else None
        if len(self.problems) > before:
            return None
        return Record(
            path=path,
            file=self.images / path,
            annotations=[Annotation(category=label)] if label else None,
            split=split,
            group=group,
            captured_at=captured_at,
            metadata={name: cell for name, cell in cells.items() if cell},
            stat=found,
        )

    def _path(self, line: int, cell: str) -> str:
        path = os.path.normpath(cell).replace(os.sep, "/") if cell else ""
        if not path:
            self._note(line, "no path")
        elif (first := self.lines.setdefault(path, line)) != line:
            self._note(line, f"{path} again, first in line {first}")
        return path

    def _stat(self, line: int, path: str) -> os.stat_result | None:
        try:
            found = (self.images / path).stat()
        except (OSError, ValueError):
            self._note(line, f"{path} is not in {self.images}")
            return None
        if not stat.S_ISREG(found.st_mode):
            self._note(line, f"{path} is not a file")
        return found

    def _split(self, line: int, cell: str) -> str | None:
        if cell and cell not in SPLITS:
            self._note(line, f"split {cell!r} is none of {', '.join(SPLITS)}")
        return cell or None

    def _date(self, line: int, cell: str) -> str | None:
        try:
            return datetime.fromisoformat(cell).isoformat() if cell else None
        except ValueError:
            self._note(line, f"captured_at {cell!r} is no date: write 2024-05-01 or 2024-05-01T12:00:00")
            return None

    def _note(self, line: int, problem: str) -> None:
        self.problems.append(f"line {line}: {problem}")

    def _shown(self) -> str:
        more = len(self.problems) - SHOWN
        tail = [f"… and {more} more"] if more > 0 else []
        return "\n".join(f"  {text}" for text in self.problems[:SHOWN] + tail)


class Reader(Protocol):
    """What `csv.reader` returns; the type has no public name."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


OPTIONAL = {"split", "group", "captured_at"}


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
