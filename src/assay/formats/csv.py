"""A CSV table with a header, one image per row.

    path,label,split,group,captured_at,camera
    images/1.jpg,cat,train,animal-7,2024-05-01T12:00:00,left
    images/2.jpg,,,,,right

`path` is relative to `image_root` (default: the folder of the CSV), and inside of it. An empty `label` is an unlabelled
image. With the option `separator: ";"` a label is a list of tags, `cat;dog`; `;` alone is an image without tags.
`split` (train, val or valid or validation, test), `group` and `captured_at` (ISO 8601) are optional; every other column
is metadata. A table with bad rows is refused as a whole, with a list of them.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from assay.data.annotations import Annotation
from assay.data.records import Outgoing, Record, Written
from assay.data.spreadsheet import header_hint, path_hint
from assay.data.text import NotCsv, conversion, csv_rows, not_utf8, read_data, refuse_wide
from assay.errors import SourceError, UsageError
from assay.formats import SPLIT_NAMES, options_of, place_of
from assay.formats._files import lies_in, put
from assay.layout import locate
from assay.params import SPLITS, Section, Source

TABLE = "labels.csv"
SEPARATORS = ";|/+~^#"
"""Of tags, when written: the first one that is in no class."""
SHOWN = 20
"""Number of bad rows listed in an error; the others are counted."""


class Options(Section):
    path: str = "path"
    label: str = "label"
    split: str = "split"
    group: str = "group"
    captured_at: str = "captured_at"
    """The names of these five columns."""
    separator: Annotated[str, Field(pattern=r"^[^\s\"]$")] | None = None
    """Between the tags of one image; null: each cell is one label."""
    delimiter: Annotated[str, Field(pattern=r"^[^\r\n\"]$")] = ","
    image_root: str | None = None
    """The folder of the paths, relative to the project's root."""

    @model_validator(mode="after")
    def _each_its_own(self) -> Options:
        names = [self.path, self.label, self.split, self.group, self.captured_at]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two of path, label, split, group, captured_at are the column {min(twice)!r}")
        if self.separator == self.delimiter:
            raise ValueError(f"separator and delimiter are both {self.delimiter!r}")
        return self


def read(source: Source, root: Path) -> Iterator[Record]:
    """The rows of `source.path`, sorted by path. SourceError lists the bad rows by line."""
    options = options_of(source, Options)
    file = place_of(source, root)
    if not file.is_file():
        raise SourceError(f"source {source.name!r}: {file} is not a file", hint="name the CSV itself")
    images = locate(root, options.image_root) if options.image_root is not None else file.parent
    table = Table(f"source {source.name!r}: {file}", options, images)
    return iter(table.records(read_data(file, SourceError), file))


@dataclass
class Table:
    """Reader of one CSV; `problems`: (line, defect)."""

    where: str
    options: Options
    images: Path
    problems: list[tuple[int, str]] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """Path -> line of its first occurrence."""

    def records(self, data: bytes, file: Path) -> list[Record]:
        refuse_wide(data, file, SourceError)
        bad = dict(not_utf8(data))
        for line, byte in bad.items():
            self._note(line, f"not UTF-8: byte {byte} of the line")
        records = self._readable(data.decode("utf-8-sig", "replace"), bad.keys())
        if self.problems:
            hint = (
                f"convert it: {conversion(file, 'WINDOWS-1252')}, or from the encoding it has" if bad else ""
            )
            raise SourceError(
                f"{self.where}: {len(self.problems)} bad rows, nothing was taken in:\n{self._shown()}",
                hint=hint or "correct them and run it again",
            )
        return sorted(records, key=lambda record: record.path)

    def _readable(self, text: str, bad: Set[int]) -> list[Record]:
        """The records of all rows without `bad` lines, whose bytes cannot be decoded."""
        records = []
        try:
            rows = csv_rows(text, self.options.delimiter)
            lines, names = next(rows, (range(1), []))
            header = self._header(names) if bad.isdisjoint(lines) else []
            for lines, row in rows if header else ():
                if row and bad.isdisjoint(lines) and (record := self._row(lines.start, header, row)):
                    records.append(record)
        except NotCsv as error:
            self._note(error.line, str(error))
        return records

    def _row(self, line: int, header: list[str], row: list[str]) -> Record | None:
        if len(row) != len(header):
            self._note(line, f"{len(row)} columns, the header has {len(header)}")
            return None
        return self._record(line, dict(zip(header, row, strict=True)))

    def _header(self, header: list[str]) -> list[str]:
        names = [name.strip() for name in header]
        asked = {getattr(self.options, field) for field in self.options.model_fields_set & OPTIONAL}
        asked |= {self.options.path, self.options.label}
        if missing := sorted(asked - set(names)):
            raise SourceError(
                f"{self.where}: no column {', '.join(missing)}; there is {', '.join(names) or 'nothing'}",
                hint=header_hint(header, missing, self.options.delimiter)
                or "name the columns in the source's options: path, label (empty cells: unlabelled) …",
            )
        if twice := sorted(name for name, n in Counter(names).items() if n > 1 or not name):
            raise SourceError(
                f"{self.where}: columns with an empty or repeated name: {', '.join(map(repr, twice))}"
            )
        return names

    def _record(self, line: int, row: dict[str, str]) -> Record | None:
        """A row as a record; None if it has problems, which are noted."""
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
            annotations=self._annotations(label),
            split=split,
            group=group,
            captured_at=captured_at,
            metadata={name: cell for name, cell in cells.items() if cell},
            stat=found,
        )

    def _annotations(self, label: str) -> list[Annotation] | None:
        """The label, or its tags, each once; None for an empty cell."""
        if not label:
            return None
        tags = label.split(self.options.separator) if self.options.separator else [label]
        named = dict.fromkeys(tag.strip() for tag in tags)
        return [Annotation(category=tag) for tag in named if tag]

    def _path(self, line: int, cell: str) -> str:
        path = os.path.normpath(cell).replace(os.sep, "/") if cell and "://" not in cell else cell
        if not path:
            self._note(line, "no path")
        elif path.startswith(("../", "/")) and not lies_in(self.images / path, self.images):
            self._note(line, f"{path} is outside of {self.images}: name a folder above as options.image_root")
        elif (first := self.lines.setdefault(path, line)) != line:
            self._note(line, f"{path} again, first in line {first}")
        return path

    def _stat(self, line: int, path: str) -> os.stat_result | None:
        try:
            found = (self.images / path).stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            self._note(line, f"{path} is not in {self.images}{path_hint(path)}")
            return None
        except OSError:  # exists but cannot be read: ingest reports why
            return None
        if not stat.S_ISREG(found.st_mode):
            self._note(line, f"{path} is not a file")
        return found

    def _split(self, line: int, cell: str) -> str | None:
        if cell and cell.lower() not in SPLIT_NAMES:
            self._note(line, f"split {cell!r} is none of {', '.join(SPLITS)}")
        return SPLIT_NAMES.get(cell.lower())

    def _date(self, line: int, cell: str) -> str | None:
        try:
            return datetime.fromisoformat(cell).isoformat() if cell else None
        except ValueError:
            self._note(line, f"captured_at {cell!r} is no date: write 2024-05-01 or 2024-05-01T12:00:00")
            return None

    def _note(self, line: int, problem: str) -> None:
        self.problems.append((line, problem))

    def _shown(self) -> str:
        more = len(self.problems) - SHOWN
        tail = [f"… and {more} more"] if more > 0 else []
        shown = [f"line {line}: {problem}" for line, problem in sorted(self.problems)[:SHOWN]]
        return "\n".join(f"  {text}" for text in shown + tail)


OPTIONAL = {"split", "group", "captured_at"}


def write(images: Iterable[Outgoing], classes: Sequence[str], folder: Path) -> Written:
    """labels.csv and images/: the tags of each image, with a separator if an image has none or several.

    Lost: objects, attributes. UsageError for a class with a NUL.
    """
    written, rows = Written(format="csv", path=TABLE), []
    for image in images:
        tags = [one for one in image.annotations if one.is_tag]
        written.objects += len(tags)
        written.lost["boxes and outlines"] += len(image.annotations) - len(tags)
        written.lost["attributes of tags"] += sum(bool(one.attributes) for one in tags)
        put(folder / "images" / image.path, image.read())
        rows.append((f"images/{image.path}", list(dict.fromkeys(one.category for one in tags)), image.split))
    separator = "" if all(len(tags) == 1 for _, tags, _ in rows) else _separator(classes)
    if separator:
        written.options = {"separator": separator}
    text = io.StringIO()
    if zero := next((name for name in classes if "\0" in name), None):
        raise UsageError(f"{zero!r}: a CSV cannot hold a NUL", hint="rename it")
    has_returns = any("\r" in name for name in classes)
    table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL)
    table.writerow(("path", "label", "split"))
    table.writerows((path, separator.join(tags) or separator, split) for path, tags, split in rows)
    put(folder / TABLE, text.getvalue().encode())
    return written


def _separator(classes: Sequence[str]) -> str:
    """A character that is in no class. SourceError if all are."""
    if found := next((mark for mark in SEPARATORS if not any(mark in name for name in classes)), None):
        return found
    raise SourceError(f"each of {' '.join(SEPARATORS)} is in the name of a class: none can separate tags")
