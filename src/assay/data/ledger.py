"""The ledger: record of all images sent to annotators, and of all refused answers.

    data/ledger/0001-file-3f2a9c1d.jsonl       a sent batch, one line per image; immutable, named by number and content
    data/ledger/refused/file-8b1a9953.jsonl    refused answers with the reason; named by content

The files are text, in git, like the edits: they are never rewritten, and two people who send or collect at the same
time in two clones get files with different names. Accepted answers are in data/edits/. A sent image is answered once
`overlap` different people have judged it since it was sent; a second look counts like a first one, also if it confirms
the label. Labels that a program derived (`edits.is_of_person`) are no answers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from assay.data.edits import Batches, Judgement, is_of_person, judges
from assay.data.files import write_bytes, write_numbered
from assay.data.suspects import REVIEW
from assay.data.text import files_in, json_lines, read_text
from assay.errors import EditError

REFUSED = "refused"
NAME = re.compile(r"^\d{4,}-[a-z0-9][a-z0-9_.-]*-[0-9a-f]{8}\.jsonl$")
Kind = Literal["not asked", "not usable", "contradiction", "answered already"]
Judges = Mapping[str, Sequence[str]]
"""{image: `by` of each of its answers, in the order of the fold}: `edits.judges`."""


class SentImage(BaseModel):
    """One image as sent. `label`: its label at that time; `judged`: number of its answers at that time.

    `overlap`: number of different people who are to judge it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    split: str = ""
    strategy: str = ""
    reason: str = ""
    predicted: str | None = None
    confidence: float | None = None
    path: str | None = None
    label: str | None = None
    judged: int = 0
    overlap: int = 1


@dataclass(frozen=True)
class Batch:
    """The images sent to one annotator at one time, in the order of the queue."""

    name: str
    annotator: str
    at: str
    rows: tuple[SentImage, ...]

    def only(self, ids: Iterable[str]) -> Batch:
        wanted = set(ids)
        return replace(self, rows=tuple(row for row in self.rows if row.id in wanted))


@dataclass(frozen=True)
class Answer:
    """An annotator's answer for one image: judgements, or why there are none. `said`: the answer as received."""

    id: str
    judgements: tuple[Judgement, ...] = ()
    where: str = ""
    trouble: str = ""
    said: str = ""


@dataclass(frozen=True)
class Refusal:
    """A refused answer."""

    id: str
    kind: Kind
    where: str
    why: str
    said: str


@dataclass(frozen=True)
class Settled:
    """Answers by outcome: new judgements, refused answers, and the number of repeated ones."""

    judgements: list[Judgement]
    refused: list[Refusal]
    repeated: int


def write(ledger: Path, annotator: str, rows: Sequence[SentImage], at: str) -> Batch:
    """Record a batch; called before it is sent."""
    head = json.dumps({"annotator": annotator, "at": at})
    lines = [row.model_dump_json(exclude_none=True, exclude_defaults=True) for row in rows]
    data = ("\n".join([head, *lines]) + "\n").encode()
    file = write_numbered(ledger, lambda: _files(ledger), _named(annotator, data), data)
    return Batch(file.stem, annotator, at, tuple(rows))


def read(ledger: Path) -> list[Batch]:
    """All sent batches, oldest first. EditError for a damaged file."""
    return [_read(file) for file in _files(ledger)]


def _files(ledger: Path) -> list[Path]:
    files = files_in(ledger, (".jsonl",), EditError)
    if strange := [file for file in files if not NAME.match(file.name)]:
        raise EditError(
            f"{strange[0]}: not the name of a sent batch", hint="`assay annotate` writes data/ledger/"
        )
    return sorted(files, key=lambda file: (int(file.name.split("-", 1)[0]), file.name))


def _read(file: Path) -> Batch:
    lines = [line for _, line in json_lines(read_text(file, EditError))]
    try:
        about = json.loads(lines[0])
        rows = tuple(SentImage.model_validate_json(line) for line in lines[1:])
        return Batch(file.stem, about["annotator"], about["at"], rows)
    except (ValueError, LookupError, TypeError) as error:
        raise EditError(
            f"{file} is damaged: {str(error).splitlines()[0]}", hint="restore it from git"
        ) from None


def _named(annotator: str, data: bytes) -> str:
    return f"{annotator}-{hashlib.sha256(data).hexdigest()[:8]}"


# --- open images


def judged_by(row: SentImage, answers: Judges) -> set[str]:
    """The people who have judged an image since it was sent."""
    return {by for by in answers.get(row.id, ())[row.judged :] if is_of_person(by)}


def is_open(row: SentImage, answers: Judges) -> bool:
    return len(judged_by(row, answers)) < row.overlap


def open_ids(sent: Batch, answers: Judges) -> list[str]:
    """The images of a batch that fewer people than asked for have judged since it was sent."""
    return [row.id for row in sent.rows if is_open(row, answers)]


def sent_again(sent: Iterable[Batch]) -> dict[str, str]:
    """{image: when it was sent}, of images that had an answer by then: earlier answers are none to this sending."""
    return {row.id: batch.at for batch in sent for row in batch.rows if row.judged}


def reviewed(sent: Iterable[Batch], answers: Judges) -> set[str]:
    """The images sent for a second look that have been answered since they were sent last."""
    asked = {row.id: row for batch in sent for row in batch.rows if row.strategy == REVIEW}
    return {sample for sample, row in asked.items() if not is_open(row, answers)}


def account(sent: Iterable[Batch], answers: Judges) -> list[dict[str, Any]]:
    """One row per batch: sent = answered + open; of the judgements `wanted`, overlap per image, `given` so far."""
    rows = []
    for batch in sent:
        left = len(open_ids(batch, answers))
        about: dict[str, Any] = {"name": batch.name, "annotator": batch.annotator, "at": batch.at}
        about |= {"sent": len(batch.rows), "answered": len(batch.rows) - left, "open": left}
        given = sum(min(len(judged_by(row, answers)), row.overlap) for row in batch.rows)
        rows.append(about | {"wanted": sum(row.overlap for row in batch.rows), "given": given})
    return rows


# --- answers


def settle(sent: Sequence[Batch], answers: Iterable[Answer], batches: Batches) -> Settled:
    """Sort the answers of an annotator. `sent`: all batches sent to it; `batches`: all edit batches.

    One answer is accepted for each open image, and an equal one counts as repeated. An answer that differs, and one to
    an image that was not sent, is refused. Every answer is counted as one of these. With an overlap above 1, this holds
    for the answers of each person, and those of different people may differ.
    """
    given = judges(batches)
    asked = {row.id for batch in sent for row in batch.rows}
    waiting = {row.id: row for batch in sent for row in batch.rows if is_open(row, given)}
    known: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for _, batch in batches:
        for judgement in batch:
            for person in ("", judgement.by):
                known[judgement.id, person].add(_content(judgement))
    refused: list[Refusal] = []
    usable: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.id and answer.id not in asked:
            refused.append(_refusal(answer, "not asked", "this image was not sent"))
        elif trouble := answer.trouble or _trouble(answer.judgements):
            refused.append(_refusal(answer, "not usable", trouble))
        else:
            usable[answer.id].append(answer)
    taken: list[Judgement] = []
    repeated = 0
    for (sample, person), held in _by_person(usable, sent):
        if sample not in waiting or person in judged_by(waiting[sample], given):
            news = [a for a in held if not {_content(j) for j in a.judgements} <= known[sample, person]]
            repeated += len(held) - len(news)
            refused += [_refusal(a, "answered already", "another answer was accepted before") for a in news]
        elif len({tuple(map(_content, a.judgements)) for a in held}) > 1:
            where = ", ".join(a.where for a in held)
            refused += [_refusal(a, "contradiction", f"{where} contradict each other") for a in held]
        else:
            taken += held[0].judgements
            repeated += len(held) - 1
    return Settled(taken, refused, repeated)


def _trouble(judgements: Sequence[Judgement]) -> str:
    """Why judgements are no answer; "" if they are one."""
    programs = sorted({one.by for one in judgements if not is_of_person(one.by)})
    if programs:
        return f"it is signed {programs[0]!r}, as labels that a program derived are: sign with another name"
    return "" if judgements else "the answer is empty"


def _by_person(
    usable: Mapping[str, list[Answer]], sent: Sequence[Batch]
) -> list[tuple[tuple[str, str], list[Answer]]]:
    """((image, person), answers); the person is "" for an image that one person is to judge."""
    several = {row.id for batch in sent for row in batch.rows if row.overlap > 1}
    groups: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for sample, held in usable.items():
        for answer in held:
            for person in dict.fromkeys(one.by if sample in several else "" for one in answer.judgements):
                own = tuple(one for one in answer.judgements if person in ("", one.by))
                groups[sample, person].append(replace(answer, judgements=own))
    return list(groups.items())


def _content(judgement: Judgement) -> str:
    """The judgement as JSON without who, when and why."""
    return judgement.model_dump_json(include={"id", "op", "annotations", "split", "group"}, exclude_none=True)


def _refusal(answer: Answer, kind: Kind, why: str) -> Refusal:
    return Refusal(answer.id, kind, answer.where, why, answer.said)


def write_refused(ledger: Path, annotator: str, refused: Sequence[Refusal]) -> Path:
    """Record refused answers; equal answers give the same file."""
    lines = [json.dumps(asdict(row), ensure_ascii=False) for row in refused]
    data = ("\n".join(lines) + "\n").encode()
    file = ledger / REFUSED / f"{_named(annotator, data)}.jsonl"
    if not file.exists():
        write_bytes(file, data)
    return file
