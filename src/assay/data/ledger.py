"""The ledger: record of all images sent to annotators, and of all refused answers.

    data/ledger/0001-file-3f2a9c1d.jsonl       a sent batch, one line per image; immutable, named by number and content
    data/ledger/refused/file-8b1a9953.jsonl    refused answers with the reason; named by content

The files are text, in git, like the edits: they are never rewritten, and two people who send or collect at the same
time in two clones get files with different names. Accepted answers are in data/edits/. A sent image is answered once
it has more judgements than at the time of sending, whoever gave them; a second look counts like a first one, also if
it confirms the label.
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

from assay.data.edits import Judgement, answers_to
from assay.data.files import write_bytes, write_numbered
from assay.data.suspects import REVIEW
from assay.data.text import files_in, json_lines, read_text
from assay.errors import EditError

REFUSED = "refused"
NAME = re.compile(r"^\d{4,}-[a-z0-9][a-z0-9_.-]*-[0-9a-f]{8}\.jsonl$")
Kind = Literal["not asked", "not usable", "contradiction", "answered already"]
Batches = Iterable[tuple[str, Sequence[Judgement]]]


class SentImage(BaseModel):
    """One image as sent. `label`: its label at that time; `judged`: number of its answers at that time."""

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


def open_ids(sent: Batch, answered: Mapping[str, int]) -> list[str]:
    """The images of a batch without an answer since it was sent; `answered`: number of answers of each image."""
    return [row.id for row in sent.rows if answered.get(row.id, 0) <= row.judged]


def reviewed(sent: Iterable[Batch], answered: Mapping[str, int]) -> set[str]:
    """The images sent for a second look that have been answered since they were sent last."""
    asked = {row.id: row.judged for batch in sent for row in batch.rows if row.strategy == REVIEW}
    return {sample for sample, judged in asked.items() if answered.get(sample, 0) > judged}


def account(sent: Iterable[Batch], answered: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row per batch: sent = answered + open."""
    rows = []
    for batch in sent:
        left = len(open_ids(batch, answered))
        about = {"name": batch.name, "annotator": batch.annotator, "at": batch.at}
        rows.append({**about, "sent": len(batch.rows), "answered": len(batch.rows) - left, "open": left})
    return rows


# --- answers


def settle(
    sent: Sequence[Batch], answers: Iterable[Answer], batches: Sequence[tuple[str, list[Judgement]]]
) -> Settled:
    """Sort the answers of an annotator. `sent`: all batches sent to it; `batches`: all edit batches.

    One answer is accepted for each open image, and an equal one counts as repeated. An answer that differs, and one to
    an image that was not sent, is refused. Every answer is counted as one of these.
    """
    answered = answers_to(batches)
    asked = {row.id for batch in sent for row in batch.rows}
    waiting = {sample for batch in sent for sample in open_ids(batch, answered)}
    known: dict[str, set[Any]] = defaultdict(set)
    for _, batch in batches:
        for judgement in batch:
            known[judgement.id].add(_content(judgement))
    refused: list[Refusal] = []
    usable: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.id and answer.id not in asked:
            refused.append(_refusal(answer, "not asked", "this image was not sent"))
        elif answer.trouble or not answer.judgements:
            refused.append(_refusal(answer, "not usable", answer.trouble or "the answer is empty"))
        else:
            usable[answer.id].append(answer)
    taken: list[Judgement] = []
    repeated = 0
    for sample, held in usable.items():
        if sample not in waiting:
            news = [a for a in held if not {_content(j) for j in a.judgements} <= known[sample]]
            repeated += len(held) - len(news)
            refused += [_refusal(a, "answered already", "another answer was accepted before") for a in news]
        elif len({tuple(map(_content, a.judgements)) for a in held}) > 1:
            where = ", ".join(a.where for a in held)
            refused += [_refusal(a, "contradiction", f"{where} contradict each other") for a in held]
        else:
            taken += held[0].judgements
            repeated += len(held) - 1
    return Settled(taken, refused, repeated)


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
