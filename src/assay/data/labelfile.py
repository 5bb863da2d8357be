"""A CSV file of labels, as written with a spreadsheet: each row is checked and either taken or reported."""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.data.annotations import Annotation
from assay.data.edits import Batches, Judgement, Split
from assay.data.snapshot import Snapshot
from assay.data.spreadsheet import as_number, header_hint, quoted, unquoted
from assay.data.text import NotCsv, csv_rows, delimiter_of, read_text
from assay.errors import EditError

WHO = ("id", "path")
WHAT = ("label", "exclude", "split", "group")
ABOUT = ("why", "by", "seconds")
SHOWN = (
    "image",
    "predicted",
    "given",
    "suggested",
    "confidence",
    "probability",
    "outlier",
    "proposed",
    "reason",
)
"""Columns that exported files show for information; they are ignored without a warning when read."""
YES, NO = frozenset({"true", "yes", "y", "1", "x"}), frozenset({"false", "no", "n", "0"})
SPLITS: Mapping[str, Split] = {"train": "train", "val": "val", "test": "test"}
PREFIX = 8
"""Least number of first digits that may stand for an id."""


def to_fill_in(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A CSV with `columns`, formulas quoted. A missing value gives an empty cell; other keys of a row are ignored."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: quoted(cell) for key, cell in row.items()} for row in rows)
    return text.getvalue()


class RowError(EditError):
    """A row is invalid; the message says why."""


@dataclass(frozen=True)
class Row:
    """The decisions of one line about one image; None: not decided."""

    line: int = field(compare=False)
    id: str
    label: tuple[str, ...] | None = None
    """One class, or where an image has tags any number of them."""
    exclude: bool | None = None
    split: Split | None = None
    group: str | None = None
    why: str = field(default="", compare=False)
    by: str | None = field(default=None, compare=False)
    seconds: float | None = field(default=None, compare=False)

    def judgements(self, by: str, at: str) -> Iterator[Judgement]:
        """One judgement per decision; `by` is the default of the row's `by`."""
        about: dict[str, Any] = {
            "id": self.id,
            "by": self.by or by,
            "at": at,
            "why": self.why,
            "seconds": self.seconds,
        }
        said: list[dict[str, Any]] = []
        if self.label is not None:
            notes = [Annotation(category=name) for name in self.label]
            said.append({"op": "label", "annotations": notes})
        if self.exclude is not None:
            said.append({"op": "exclude" if self.exclude else "include"})
        if self.split is not None:
            said.append({"op": "split", "split": self.split})
        if self.group is not None:
            said.append({"op": "group", "group": self.group})
        for payload in said:
            yield Judgement(**about, **payload)


@dataclass(frozen=True)
class Problem:
    """Why a row was refused."""

    line: int
    text: str


@dataclass(frozen=True)
class Names:
    """The valid names of images: an id, its first digits, or an origin."""

    ids: Sequence[str]
    """Content ids, sorted."""
    paths: Mapping[str, frozenset[str]]
    splits: Mapping[str, str] = field(default_factory=dict)
    """{id: present split}"""

    @classmethod
    def of(cls, samples: pa.Table) -> Names:
        """`samples` has the columns id, origins (`source:path`) and split."""
        paths: dict[str, set[str]] = defaultdict(set)
        ids = samples["id"].to_pylist()
        for sample, origins in zip(ids, samples["origins"].to_pylist(), strict=True):
            for origin in origins or []:
                paths[origin].add(sample)
                paths[origin.split(":", 1)[1]].add(sample)
        splits = dict(zip(ids, samples["split"].to_pylist(), strict=True))
        return cls(sorted(ids), {path: frozenset(held) for path, held in paths.items()}, splits)

    def by_id(self, text: str) -> str:
        start, end = (bisect_left(self.ids, text.lower() + last) for last in ("", "~"))
        found = self.ids[start:end] if len(text) >= PREFIX else ()
        return self._only(text, frozenset(found), "id")

    def by_path(self, text: str) -> str:
        path = text.replace("\\", "/").removeprefix("./")
        return self._only(text, self.paths.get(path, frozenset()), "path")

    def _only(self, text: str, found: frozenset[str], kind: str) -> str:
        if not found:
            raise RowError(f"no image has the {kind} {text!r}")
        if len(found) > 1:
            listed = ", ".join(sample[:12] for sample in sorted(found)[:3])
            raise RowError(f"the {kind} {text!r} means {len(found)} images ({listed} …): give the whole id")
        return next(iter(found))


@dataclass(frozen=True)
class ValidLabels:
    """The valid labels."""

    known: frozenset[str]
    declared: bool
    """True: `known` is `curate.classes` of params.yaml. False: the labels seen so far."""
    allow_new: bool = False
    separator: str | None = None
    """Between the tags of an image; None: a cell is one label."""

    def read(self, cell: str) -> tuple[str, ...]:
        """The label, or the tags, each once; the separator alone is none. RowError for an invalid one."""
        parts = [cell] if self.separator is None else cell.split(self.separator)
        return tuple(self.check(part) for part in dict.fromkeys(map(str.strip, parts)) if part)

    def check(self, label: str) -> str:
        if label in self.known or (not self.declared and (self.allow_new or not self.known)):
            return label
        number = as_number(label)
        same = [name for name in sorted(self.known) if number is not None and as_number(name) == number]
        close = same or get_close_matches(label, sorted(self.known), n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        valid = ", ".join(sorted(self.known)[:20])
        if self.declared:
            raise RowError(f"{label!r} is not among curate.classes{meant} valid: {valid}")
        raise RowError(
            f"class {label!r} was never seen{meant} so far: {valid} (--allow-new-classes takes it)"
        )


def valid_classes(
    declared: Sequence[str] | None,
    snapshot: Snapshot,
    batches: Batches,
    allow_new: bool,
    separator: str | None = None,
) -> ValidLabels:
    """The declared classes; without a declaration, those in the snapshot or in an edit batch."""
    if declared is not None:
        return ValidLabels(frozenset(declared), declared=True, separator=separator)
    notes = [note for _, batch in batches for judgement in batch for note in judgement.annotations or []]
    seen = frozenset(snapshot.categories) | {note.category for note in notes}
    return ValidLabels(seen, declared=False, allow_new=allow_new, separator=separator)


@dataclass(frozen=True)
class LabelFile:
    """The content of a file: valid rows and problems.

    ignored: names of unknown columns. unanswered: number of rows that are not filled in.
    """

    rows: list[Row]
    problems: list[Problem]
    ignored: list[str]
    unanswered: int


def read_rows(file: Path, names: Names, classes: ValidLabels) -> LabelFile:
    """The rows of `file`, checked against the names of the images and the valid classes.

    EditError if the file cannot be read, if it lacks a column of WHO or of WHAT, or if no row is filled in.
    """
    rows, problems = [], []
    header, records = csv_records(file)
    _check_header(file, header)
    filled = [
        (line, record) for line, record in records if not (is_open(record) or _as_exported(record, names))
    ]
    if records and not filled:
        raise EditError(
            f"{file}: none of its {len(records):,} rows is filled in",
            hint="write classes into the column `label`, or exclude = yes, and save the file",
        )
    for line, record in filled:
        try:
            rows.append(parse(line, _image(record, names), record, classes))
        except RowError as problem:
            problems.append(Problem(line, str(problem)))
    ignored = [name for name in header if name not in (*WHO, *WHAT, *ABOUT, *SHOWN)]
    return LabelFile(rows, problems, ignored, len(records) - len(filled))


def is_open(record: Mapping[str, str]) -> bool:
    """Whether a row is not filled in yet."""
    return "too many" not in record and not any(record.get(name) for name in WHAT)


def _as_exported(record: Mapping[str, str], names: Names) -> bool:
    """Whether a row has no answer but the present split of its image, which exported files show."""
    split, image = record.get("split"), record.get("id", "")
    answered = any(record.get(name) for name in WHAT if name != "split")
    return "label" in record and not answered and split is not None and split == names.splits.get(image)


def without_contradictions(
    rows: Iterable[Row], each_person: bool = False
) -> tuple[list[Row], list[Problem], int]:
    """(one row per image, the rows that contradict each other, the number of rows that repeat another).

    `each_person`: one row per image and person.
    """
    of: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for row in rows:
        of[row.id, row.by if each_person else None].append(row)
    agreed = [held[0] for held in of.values() if all(row == held[0] for row in held)]
    disputed = [held for held in of.values() if any(row != held[0] for row in held)]
    problems = [
        Problem(row.line, f"lines {_lines(held)} contradict each other: they name the same image")
        for held in disputed
        for row in held
    ]
    repeated = sum(len(held) for held in of.values()) - len(agreed) - len(problems)
    return agreed, problems, repeated


def _lines(rows: list[Row]) -> str:
    return ", ".join(str(row.line) for row in rows)


def csv_records(file: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """(header, [(number of the line, column -> cell)]). EditError if the file is no CSV."""
    text = read_text(file, EditError)
    try:
        rows = csv_rows(text, delimiter_of(text))
        header = [name.strip().lower() for name in next(rows, (range(1), []))[1]]
        records = [(lines.start, _cells(header, cells)) for lines, cells in rows if any(cells)]
    except NotCsv as error:
        raise EditError(f"{file}, line {error.line}: {error}") from None
    return header, records


def _cells(header: list[str], cells: list[str]) -> dict[str, str]:
    extra = {"too many": ""} if len(cells) > len(header) else {}
    return {**dict(zip(header, (unquoted(cell.strip()) for cell in cells), strict=False)), **extra}


def _check_header(file: Path, header: list[str]) -> None:
    for group, purpose in ((WHO, "name the image"), (WHAT, "decide something about it")):
        if not set(header) & set(group):
            raise EditError(
                f"{file}, line 1: no column to {purpose}; there are: {', '.join(header) or 'none'}",
                hint=header_hint(header, ())
                or f"one of {', '.join(group)}; `assay queue --csv FILE` writes such a file",
            )
    if twice := {name for name in header if name and header.count(name) > 1}:
        raise EditError(f"{file}, line 1: column {', '.join(sorted(twice))} occurs twice")


def parse(line: int, sample: str, record: Mapping[str, str], classes: ValidLabels) -> Row:
    """The row of a line. RowError if a cell is invalid or the label is missing."""
    if "too many" in record:
        raise RowError("more cells than the header has columns: a comma in a name needs quotes")
    given = {name: record[name] for name in (*WHAT, *ABOUT) if record.get(name)}
    label = classes.read(given["label"]) if "label" in given else None
    exclude = _truth(given["exclude"]) if "exclude" in given else None
    split = _split(given["split"]) if "split" in given else None
    row = Row(
        line, sample, label, exclude, split, given.get("group"), given.get("why", ""), given.get("by"),
        _seconds(given.get("seconds")),
    )  # fmt: skip
    if "label" in record and label is None and not exclude:
        nothing = classes.separator or "exclude = yes"
        raise RowError(f"the label is empty (an image with nothing on it: {nothing})")
    return row


def _image(record: Mapping[str, str], names: Names) -> str:
    given = {name: record[name] for name in WHO if record.get(name)}
    if "id" not in given and "path" not in given:
        raise RowError("neither id nor path")
    sample = names.by_id(given["id"]) if "id" in given else names.by_path(given["path"])
    if "id" in given and "path" in given and sample not in names.paths.get(given["path"], {sample}):
        raise RowError(f"id {given['id'][:12]} and path {given['path']!r} are different images")
    return sample


def _truth(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise RowError(f"exclude is {text!r}; valid: yes or no")
    return text.lower() in YES


def _split(text: str) -> Split:
    if text not in SPLITS:
        raise RowError(f"split is {text!r}; valid: {', '.join(SPLITS)}")
    return SPLITS[text]


def _seconds(text: str | None) -> float | None:
    try:
        seconds = None if text is None else float(text)
    except ValueError:
        seconds = -1.0
    if seconds is not None and not 0 <= seconds < float("inf"):
        raise RowError(f"seconds is {text!r}; valid: a number, 0 or more")
    return seconds
