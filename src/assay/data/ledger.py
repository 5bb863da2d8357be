"""The ledger: every image sent to an annotator is accounted for, and every answer that came.

    data/ledger/0001-file-3f2a9c1d.jsonl       what went out, a line an image; immutable, named by number and content
    data/ledger/refused/file-8b1a9953.jsonl    answers that could not be taken, and why; named by content

Text, in git, beside the edits, and like them: nothing that is there is written again, and two people who send or
collect at the same time on two clones get files with two names. What was answered is not written here: it is in
data/edits/. An image that went out is answered once there is one more judgement on it than when it went out, whoever
judged; so a second look at a labelled image is accounted for like a first one, also if it says the same.
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
    """One image as it went out. `label`: the one it had; `judged`: how many answers there were to it before."""

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
    """What went out at one time to one annotator, best first."""

    name: str
    annotator: str
    at: str
    rows: tuple[SentImage, ...]

    def only(self, ids: Iterable[str]) -> Batch:
        wanted = set(ids)
        return replace(self, rows=tuple(row for row in self.rows if row.id in wanted))


@dataclass(frozen=True)
class Answer:
    """What came for one image: judgements, or the trouble with it. `said`: as it came."""

    id: str
    judgements: tuple[Judgement, ...] = ()
    where: str = ""
    trouble: str = ""
    said: str = ""


@dataclass(frozen=True)
class Refusal:
    """An answer that could not be taken."""

    id: str
    kind: Kind
    where: str
    why: str
    said: str


@dataclass(frozen=True)
class Settled:
    """The answers, sorted: what is news, what could not be taken, and how many said only what is known."""

    judgements: list[Judgement]
    refused: list[Refusal]
    repeated: int


def write(ledger: Path, annotator: str, rows: Sequence[SentImage], at: str) -> Batch:
    """Put a batch on record before it goes out."""
    head = json.dumps({"annotator": annotator, "at": at})
    lines = [row.model_dump_json(exclude_none=True, exclude_defaults=True) for row in rows]
    data = ("\n".join([head, *lines]) + "\n").encode()
    file = write_numbered(ledger, lambda: _files(ledger), _named(annotator, data), data)
    return Batch(file.stem, annotator, at, tuple(rows))


def read(ledger: Path) -> list[Batch]:
    """Everything that ever went out, oldest first. EditError names the file and the line that is damaged."""
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


# --- what is open


def open_ids(sent: Batch, answered: Mapping[str, int]) -> list[str]:
    """The images of a batch that nobody has answered since it went out."""
    return [row.id for row in sent.rows if answered.get(row.id, 0) <= row.judged]


def reviewed(sent: Iterable[Batch], answered: Mapping[str, int]) -> set[str]:
    """The images whose last second look has been taken."""
    asked = {row.id: row.judged for batch in sent for row in batch.rows if row.strategy == REVIEW}
    return {sample for sample, judged in asked.items() if answered.get(sample, 0) > judged}


def account(sent: Iterable[Batch], answered: Mapping[str, int]) -> list[dict[str, Any]]:
    """A line for each batch: sent = answered + open."""
    rows = []
    for batch in sent:
        left = len(open_ids(batch, answered))
        about = {"name": batch.name, "annotator": batch.annotator, "at": batch.at}
        rows.append({**about, "sent": len(batch.rows), "answered": len(batch.rows) - left, "open": left})
    return rows


# --- what came


def settle(
    sent: Sequence[Batch], answers: Iterable[Answer], batches: Sequence[tuple[str, list[Judgement]]]
) -> Settled:
    """Sort what an annotator has answered to `sent`, all that it was ever sent; `batches`: the edits there are.

    One answer is taken for an image that is open; the same one again counts as repeated, another one is refused, as is
    the answer to an image that was not asked about. Nothing is dropped without a word.
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
            refused.append(_refusal(answer, "not asked", "nobody asked about this image"))
        elif answer.trouble or not answer.judgements:
            refused.append(_refusal(answer, "not usable", answer.trouble or "it says nothing"))
        else:
            usable[answer.id].append(answer)
    taken: list[Judgement] = []
    repeated = 0
    for sample, held in usable.items():
        if sample not in waiting:
            news = [a for a in held if not {_content(j) for j in a.judgements} <= known[sample]]
            repeated += len(held) - len(news)
            refused += [_refusal(a, "answered already", "another answer was taken before") for a in news]
        elif len({tuple(map(_content, a.judgements)) for a in held}) > 1:
            where = ", ".join(a.where for a in held)
            refused += [_refusal(a, "contradiction", f"{where} say different things of it") for a in held]
        else:
            taken += held[0].judgements
            repeated += len(held) - 1
    return Settled(taken, refused, repeated)


def _content(judgement: Judgement) -> str:
    """What is judged, without who, when and why."""
    return judgement.model_dump_json(include={"id", "op", "annotations", "split", "group"}, exclude_none=True)


def _refusal(answer: Answer, kind: Kind, why: str) -> Refusal:
    return Refusal(answer.id, kind, answer.where, why, answer.said)


def write_refused(ledger: Path, annotator: str, refused: Sequence[Refusal]) -> Path:
    """Put refused answers on record; the same ones again are the same file."""
    lines = [json.dumps(asdict(row), ensure_ascii=False) for row in refused]
    data = ("\n".join(lines) + "\n").encode()
    file = ledger / REFUSED / f"{_named(annotator, data)}.jsonl"
    if not file.exists():
        write_bytes(file, data)
    return file
