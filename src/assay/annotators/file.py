"""People answer in files: CSV for spreadsheets, JSONL for tools.

A batch is written to `labelling/<batch>.csv`, its images to `<batch>-images` beside it. People fill in the column
`label` (or `exclude` with `why`), in the file or in copies. `assay annotate` reads every CSV and JSONL file of the
folder: repeated answers are accepted once, invalid ones are listed with file and line. A row without an answer stays
open. The column `id` identifies the image, the column `batch` the batch that a row answers; without that column it is
the batch in the name of the file. An image that is sent again, for a second look, is answered by rows of its new batch
only: those of an earlier batch are passed over. A row that does not tell its batch is then refused.

The folder is not for git: accepted answers are in data/edits/, refused ones in data/ledger/.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from assay import tasks
from assay.annotators import AnnotatorContext, now
from assay.data import ledger
from assay.data.edits import read_batches
from assay.data.files import replacing
from assay.data.labelfile import (
    Row,
    RowError,
    ValidLabels,
    csv_records,
    is_open,
    parse,
    to_fill_in,
    valid_classes,
)
from assay.data.ledger import Answer, Batch
from assay.data.snapshot import Snapshot
from assay.data.text import files_in, json_lines, read_text
from assay.errors import EditError
from assay.layout import locate, shown
from assay.params import Section
from assay.reports.exported import put_beside

NAME = "file"
WAITS = True
SHOWN = ("id", "path", "image", "split", "strategy", "reason", "predicted", "confidence", "given", "batch")
"""Columns for information; `given`: the present label; `batch`: the batch that the row answers."""
ASKED = ("label", "exclude", "why", "by", "seconds")
"""Columns to fill in; `label` or `exclude` is the answer."""


class Options(Section):
    """Folder of the files, and format of those written."""

    folder: Annotated[str, Field(min_length=1)] = "labelling"
    format: Literal["csv", "jsonl"] = "csv"
    allow_new_classes: bool = False
    """Accept labels with a new class if curate.classes declares none."""


def send(batch: Batch, context: AnnotatorContext) -> str:
    """Write the file unless it exists: people may be filling it in."""
    options = context.options(Options)
    file = locate(context.layout.root, options.folder) / f"{batch.name}.{options.format}"
    if not file.exists():
        images = put_beside(file, [row.id for row in batch.rows], context.layout)
        rows = [
            {
                **row.model_dump(),
                "given": row.label,
                "label": None,
                "image": images.get(row.id),
                "batch": batch.name,
            }
            for row in batch.rows
        ]
        text = to_fill_in(rows, (*SHOWN, *ASKED)) if options.format == "csv" else _as_jsonl(rows)
        with suppress(FileExistsError), replacing(file, new=True) as aside:
            aside.write_bytes(text.encode())
    return shown(context.layout.root, file)


def _as_jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [{**{key: row[key] for key in SHOWN}, "label": None} for row in rows]
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)


def collect(batches: Sequence[Batch], context: AnnotatorContext) -> Iterator[Answer]:
    """An answer for every filled-in row of every file, valid or not; of an open image, for rows of its open batch."""
    folder = locate(context.layout.root, context.options(Options).folder)
    files = files_in(folder, (".csv", ".jsonl"), EditError)
    if not files:
        return
    classes, sent = _classes(context), Sent.of(batches, context)
    for file in files:
        name = shown(context.layout.root, file)
        try:
            records = list(_csv(file) if file.suffix == ".csv" else _jsonl(file))
        except EditError as error:
            yield Answer("", where=name, trouble=str(error))
            continue
        for line, record in records:
            answer = _answer(record, f"{name}, line {line}", line, classes)
            if answer and (counted := sent.counted(answer, record.get("batch") or sent.named(file))):
                yield counted


@dataclass(frozen=True)
class Sent:
    """The batches of files; of each image, in which ones it was sent and in which it is open."""

    names: frozenset[str]
    with_image: Mapping[str, set[str]]
    open_in: Mapping[str, set[str]]

    @classmethod
    def of(cls, open_batches: Sequence[Batch], context: AnnotatorContext) -> Sent:
        batches = [batch for batch in ledger.read(context.layout.ledger) if batch.annotator == NAME]
        batches += open_batches
        names = frozenset(batch.name for batch in batches)
        return cls(names, _by_image(batches), _by_image(open_batches))

    def named(self, file: Path) -> str:
        """The batch in the name of a file, as of `0001-file-3f2a9c1d (copy).csv`; "" if there is none."""
        return next((name for name in self.names if name in file.stem), "")

    def counted(self, answer: Answer, batch: str) -> Answer | None:
        """The answer, refused if it does not tell which batch it is for; None if it is for an earlier batch."""
        if batch and batch not in self.names:
            return replace(answer, judgements=(), trouble=f"there is no batch {batch!r} in data/ledger/")
        if not (open_in := self.open_in.get(answer.id)):
            return answer
        if batch:
            return answer if batch in open_in else None
        if self.with_image[answer.id] <= open_in:
            return answer
        again = ", ".join(sorted(open_in))
        trouble = (
            f"this image was sent again, in {again}: write that into a column `batch` of rows that answer it"
        )
        return replace(answer, judgements=(), trouble=trouble)


def _by_image(batches: Sequence[Batch]) -> dict[str, set[str]]:
    """{content id: names of the batches with it}."""
    found: dict[str, set[str]] = defaultdict(set)
    for batch in batches:
        for row in batch.rows:
            found[row.id].add(batch.name)
    return found


def _classes(context: AnnotatorContext) -> ValidLabels:
    snapshot, batches = Snapshot.load(context.layout.snapshot), read_batches(context.layout.edits)
    allow_new, separator = context.options(Options).allow_new_classes, tasks.separator(context.params.task)
    return valid_classes(context.params.curate.classes, snapshot, batches, allow_new, separator)


def _csv(file: Path) -> list[tuple[int, dict[str, str]]]:
    header, records = csv_records(file)
    if missing := [name for name in ("id", "label") if name not in header]:
        raise EditError(
            f"there is no column {' and '.join(missing)}; there are: {', '.join(header) or 'none'}"
        )
    return records


def _jsonl(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in json_lines(read_text(file, EditError)):
        yield number, _record(line)


def _record(line: str) -> dict[str, str]:
    """The fields of a line as text, as in a CSV; {"broken": line} if it is not a JSON object."""
    try:
        held = json.loads(line)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        return {"broken": line}
    words = {True: "yes", False: "no"}
    return {
        str(key).lower(): words[value] if isinstance(value, bool) else str(value).strip()
        for key, value in held.items()
        if value is not None
    }


def _answer(record: Mapping[str, str], where: str, line: int, classes: ValidLabels) -> Answer | None:
    """The answer in a row; None if nothing is filled in."""
    said = json.dumps({key: value for key, value in record.items() if value}, ensure_ascii=False)
    sample = record.get("id", "").lower()
    if "broken" in record:
        return Answer("", where=where, trouble="the line is not a JSON object", said=record["broken"])
    if is_open({key: record[key] for key in (*ASKED, "too many") if key in record}):
        return None
    try:
        row = _row(line, sample, record, classes)
    except RowError as error:
        return Answer(sample, where=where, trouble=str(error), said=said)
    return Answer(sample, tuple(row.judgements(NAME, now())), where, said=said)


def _row(line: int, sample: str, record: Mapping[str, str], classes: ValidLabels) -> Row:
    if not sample:
        raise RowError("there is no id; it identifies the image")
    kept = {key: record[key] for key in (*ASKED, "too many") if key in record}
    return parse(line, sample, kept, classes)
