"""The journal of `assay review`: judgements given on the page that are not in an edit batch yet.

    labelling/review/journal.jsonl     one event a line, in order of arrival; append-only

A line is on disk (fsync) before the page is told that it is saved. Every event has an id of the browser's: sent twice,
it is stored once. An event sets the answer of one person to one image, or withdraws it (`clear`, an undo). A line
`{"finished": BATCH}` closes the events before it: they are in that edit batch, or changed nothing.

If several people judge an image, all their answers are kept, in the order of their last change: later ones override
earlier ones, as everywhere in the edits. The folder is not for git, nor in .assay/, which may be deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from assay.data.annotations import Annotation, reason
from assay.data.edits import Batches, Judgement, Op
from assay.data.files import alone_in, sync_dir
from assay.errors import EditError

FOLDER = "labelling/review"
"""Folder of the journal, in the project."""
FILE = "journal.jsonl"
Act = Literal["label", "exclude", "include", "skip", "clear"]
OPS: dict[Act, Op] = {"label": "label", "exclude": "exclude", "include": "include"}
"""Acts that become a judgement; `skip` and `clear` do not."""
CLOSES = b'\n{"finished"'
"""Begin of a line that closes the events before it, with the end of the line before."""
DAY = 86_400.0


class Event(BaseModel):
    """One line of the journal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{8,64}$")]
    """Id given by the browser."""
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Content id of the image."""
    act: Act
    annotations: list[Annotation] | None = None
    seconds: Annotated[float, Field(ge=0, le=DAY, allow_inf_nan=False)] = 0.0
    """Active time spent on the image since the last event of this person on it."""
    by: Annotated[str, Field(min_length=1, max_length=200)]
    at: str
    why: Annotated[str, Field(max_length=1000)] = ""
    view: Annotated[str, Field(max_length=100)] = ""
    """Name of the view in which it was given."""

    @model_validator(mode="after")
    def _has_its_payload(self) -> Event:
        if (self.act == "label") != (self.annotations is not None):
            raise ValueError("`annotations` go with act 'label', and with no other")
        return self


@dataclass(frozen=True)
class Given:
    """The present answer of one person to one image."""

    event: Event
    number: int
    """Of its line: later answers have larger numbers."""
    seconds: float
    """Active time of this person on this image, of all events."""

    def judgement(self) -> Judgement | None:
        """None for an image that was skipped."""
        one = self.event
        if (op := OPS.get(one.act)) is None:
            return None
        seconds = round(self.seconds, 3) or None
        return Judgement(
            id=one.id, op=op, annotations=one.annotations, by=one.by, at=one.at, why=one.why, seconds=seconds
        )


@dataclass
class Answers:
    """The events since the last `finished` line, by image."""

    of: dict[str, dict[str, Given]] = field(default_factory=dict)
    """{content id: {person: answer}}, the answers of an image in the order of their last change."""
    seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    """{(content id, person): active time}, withdrawn answers included."""
    changed: list[str] = field(default_factory=list)
    """Content ids in the order of events."""

    def add(self, event: Event, number: int) -> None:
        key = event.id, event.by
        self.seconds[key] = self.seconds.get(key, 0.0) + event.seconds
        answers = self.of.setdefault(event.id, {})
        answers.pop(event.by, None)
        if event.act != "clear":
            answers[event.by] = Given(event, number, self.seconds[key])
        elif not answers:
            del self.of[event.id]
        self.changed.append(event.id)

    def since(self, begin: Mapping[str, str]) -> Answers:
        """Without those to an image of `begin` that were given before the time there."""
        of = dict(self.of) if begin else self.of
        for sample in begin.keys() & of.keys():
            of[sample] = {by: given for by, given in of[sample].items() if given.event.at >= begin[sample]}
            if not of[sample]:
                del of[sample]
        return replace(self, of=of)

    def judgements(self, ids: Iterable[str] | None = None) -> dict[str, list[Judgement]]:
        """{content id: judgements}, of all images or of `ids`; images that were only skipped are left out."""
        wanted = self.of if ids is None else [sample for sample in ids if sample in self.of]
        found = {sample: [given.judgement() for given in self.of[sample].values()] for sample in wanted}
        said = {sample: [one for one in held if one is not None] for sample, held in found.items()}
        return {sample: held for sample, held in said.items() if held}


def unwritten(given: Mapping[str, Sequence[Judgement]], batches: Batches) -> dict[str, list[Judgement]]:
    """{content id: judgements that are in no edit batch}, of those `given`; images without any are left out.

    The annotator `review` takes judgements over while people go on, and does not close the journal.
    """
    written = {_identity(one) for _, batch in batches for one in batch if one.id in given}
    left = {sample: [one for one in held if _identity(one) not in written] for sample, held in given.items()}
    return {sample: held for sample, held in left.items() if held}


def _identity(one: Judgement) -> str:
    return one.model_dump_json(exclude={"seconds", "why"})


def disagree(answers: Iterable[Given]) -> bool:
    """Whether people gave different answers; a skip is none."""
    said = {(one.op, str(one.annotations)) for given in answers if (one := given.judgement()) is not None}
    return len(said) > 1


class Journal:
    """The journal of a folder, kept in memory and read on as others append to it. Safe for threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.answers = Answers()
        self.finished: str | None = None
        """Name of the last batch."""
        self.generation = 0
        """Number of `finished` lines: it changes when the answers begin anew."""
        self._known: set[str] = set()
        self._read = self._lines = 0
        self._lock = RLock()
        self.refresh()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other writers out, with everything read that they have written."""
        with self._lock, alone_in(self.file.parent):
            self.refresh()
            yield

    def refresh(self) -> None:
        """Read the lines that were appended since. EditError for a damaged one."""
        with self._lock:
            if not self.file.exists():
                return
            with self.file.open("rb") as stream:
                stream.seek(self._read)
                data = stream.read()
            whole = (
                data.rfind(b"\n") + 1
            )  # a line without its end was being written when its process was killed
            closed = data.rfind(CLOSES, 0, whole) + 1
            for part, is_closed in ((data[:closed], True), (data[closed:whole], False)):
                for line in part.split(b"\n")[:-1]:
                    self._lines += 1
                    self._take(line, is_closed)
            self._read += whole

    def append(self, events: Sequence[Event]) -> int:
        """Store the events that are not in the journal yet, durably; their number."""
        with self.alone():
            new = {event.event: event for event in events if event.event not in self._known}
            self._write([event.model_dump_json(exclude_defaults=True) for event in new.values()])
            return len(new)

    def finish(self, batch: str) -> None:
        """Close the events so far: they are in this edit batch. Call it within `alone`."""
        self._write([json.dumps({"finished": batch})])

    def _write(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        new = not self.file.exists()
        with self.file.open("r+b" if not new else "xb") as stream:
            stream.seek(self._read)
            stream.truncate()  # the half line of a killed process; it was reported to nobody
            stream.write("".join(f"{line}\n" for line in lines).encode())
            stream.flush()
            os.fsync(stream.fileno())
        if new:
            sync_dir(self.file.parent)
        self.refresh()

    def _take(self, line: bytes, is_closed: bool) -> None:
        """Of a closed event only the id is kept, and the line is not validated, which takes most of the time."""
        try:
            held = json.loads(line)
            if "finished" in held:
                self.finished = held["finished"]
                self.answers = Answers()
                self.generation += 1
                return
            if is_closed:
                self._known.add(held["event"])
                return
            event = Event.model_validate(held)
        except ValidationError as error:
            raise self._damaged(reason(error)) from None
        except (ValueError, TypeError, LookupError) as error:
            raise self._damaged(str(error)) from None
        if event.event not in self._known:
            self._known.add(event.event)
            self.answers.add(event, self._lines)

    def _damaged(self, why: str) -> EditError:
        return EditError(
            f"{self.file}, line {self._lines}: {why}", hint="delete that line; the other answers stay"
        )
