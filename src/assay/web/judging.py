"""What a browser sends as a judgement -> the event that is stored, or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from assay import tasks
from assay.data.annotations import Annotation, fitted
from assay.data.journal import Event
from assay.data.labelfile import ValidLabels
from assay.errors import UsageError
from assay.web.catalog import SPLITS, Catalog
from assay.web.views import VIEWS

TEST = SPLITS.index("test")
GUARDED = (
    "a test image in a view that a model chose: judged here, it would bias the measured accuracy; judge it in "
    "`queue` or `all`"
)


def mode(task: str) -> str:
    """How images are judged: `class`, one for each; `tags`, any number; `objects`, drawn."""
    if tasks.separator(task) is not None:
        return "tags"
    return "class" if tasks.takes_tag(task, "1") else "objects"


@dataclass(frozen=True)
class Judging:
    """The project as judgements find it."""

    task: str
    catalog: Catalog
    labels: ValidLabels

    def event(self, given: Any, by: str) -> Event:
        """The event to store. UsageError, RowError or ValidationError if it must not be."""
        if not isinstance(given, dict):
            raise UsageError("an event is an object")
        row = int(self.catalog.ids.rows([str(given.get("id"))])[0])
        if row < 0:
            raise UsageError("the snapshot has no such image")
        held = {**given, "by": by, "at": _ago(given.get("age", 0))}
        held.pop("age", None)
        if held.get("act") == "keep":
            if (present := self.catalog.notes(row)) is None:
                raise UsageError("the image has no label to keep")
            held |= {"act": "label", "annotations": present}
        event = Event.model_validate(held)
        if (kind := VIEWS.get(event.view)) and kind.guarded and self.catalog.split[row] == TEST:
            raise UsageError(GUARDED)
        if event.annotations is None:
            return event
        notes = as_exact(event.annotations, self.catalog.notes(row))
        return event.model_copy(update={"annotations": self._checked(notes, row)})

    def _checked(self, notes: list[Annotation], row: int) -> list[Annotation]:
        """Annotations as they are stored: of the task's kind, of valid classes, clipped to the image."""
        for note in notes:
            self.labels.check(note.category)
        tags = all(note.is_tag for note in notes)
        if mode(self.task) == "class" and (len(notes) != 1 or not tags):
            raise UsageError("an image has one class")
        if mode(self.task) == "tags" and not (tags and len({note.category for note in notes}) == len(notes)):
            raise UsageError("tags are classes without a box, each once")
        if mode(self.task) != "objects":
            return notes
        width, height = (self.catalog.samples[name][row].as_py() for name in ("width", "height"))
        found = [_on_image(n, note, width, height) for n, note in enumerate(notes, 1)]
        if not self._teaches(found):
            n, one = next(((n, one) for n, one in enumerate(found, 1) if not self._teaches([one])), (0, None))
            which = f"object {n}, {_shape(one)} {one.category}" if one else "what is drawn"
            raise UsageError(f"{which}: {self.task} does not learn from it; outline it, or delete it")
        return found

    def _teaches(self, notes: Sequence[Annotation]) -> bool:
        return tasks.load(self.task).label(notes) is not None

    @property
    def needs_outlines(self) -> bool:
        """Whether the task learns from objects with an outline only."""
        return mode(self.task) == "objects" and not self._teaches(
            [Annotation(category="-", bbox=(0, 0, 1, 1))]
        )


def _on_image(number: int, note: Annotation, width: int, height: int) -> Annotation:
    """An object clipped to its image: see `fitted`. UsageError for one that does not fit."""
    try:
        return note if note.is_tag else fitted(note, width, height)[0]
    except ValueError as error:
        raise UsageError(f"object {number}, {note.category}: {error}") from None


def _shape(note: Annotation) -> str:
    return (
        "a class of the image,"
        if note.is_tag
        else "a box of"
        if note.segmentation is None
        else "an outline of"
    )


def as_exact(notes: Sequence[Annotation], present: Sequence[Mapping[str, Any]] | None) -> list[Annotation]:
    """Annotations from a browser with the attributes that `present` ones have: it rounds integers beyond 2⁵³."""
    exact = {_rounded(held): held for one in present or () if (held := one.get("attributes"))}
    return [
        note.model_copy(update={"attributes": exact.get(_rounded(note.attributes), note.attributes)})
        for note in notes
    ]


def _rounded(attributes: Mapping[str, Any]) -> str:
    """Attributes as a browser has them, as text: each number a double."""
    return repr({k: float(v) if type(v) is int else v for k, v in sorted(attributes.items())})


def _ago(seconds: Any) -> str:
    """The time so many seconds ago: a judgement may have waited in the browser for the network."""
    if not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:
        raise UsageError("age is a number of seconds")
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
