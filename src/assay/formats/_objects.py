"""Validation of the objects that a source gives for an image: each is taken, fixed or refused.

| an object that …                                              | is                                                  |
|---------------------------------------------------------------|-----------------------------------------------------|
| has a NaN, no width or height, a ring of two corners          | refused; with a valid outline, only its box is      |
| has an unknown class                                          | refused                                             |
| extends at most 1 px beyond the image                         | taken unchanged                                     |
| extends further, with at least half of its box inside         | fixed: clipped at the border                        |
| is outside the image                                          | refused                                             |
| is on an image of another size than the source states         | refused with all others; the image stays unlabelled |
| is on an image whose stored pixels have the stated size       | fixed: turned to the upright image (Exif)           |

Refused objects are counted, and listed by file and row; the image keeps the other objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assay.data.annotations import Annotation, fitted, reason
from assay.data.images.frames import Frame, frame_of, turned
from assay.data.records import Issue, Record

LONGEST = 2**31
"""Bound of widths, heights and coordinates, in pixels."""
SHOWN = 5
"""Number of issues printed below the counts of a source; data/pool/report.json lists all."""


@dataclass
class Sheet:
    """Collects the objects of one image. `annotations` is None if no object can be placed on the image."""

    frame: Frame | None
    stored: bool = False
    """Whether coordinates refer to the stored, not the upright image."""
    problem: str | None = None
    """Why no object can be placed on the image."""
    notes: list[Annotation] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def add(self, where: str, said: Mapping[str, Any]) -> None:
        """Add an object: fields of Annotation, in pixels."""
        if self.problem is not None or self.frame is None:
            return self.refuse(where, self.problem or "the image cannot be read")
        try:
            one = Annotation.model_validate(said)
            if self.stored:
                one = turned(one, self.frame)
            fit, how = fitted(one, *self.frame.upright)
        except ValidationError as error:
            return self.refuse(where, reason(error))
        except ValueError as error:
            return self.refuse(where, str(error))
        if how == "clipped":
            self.fix(where, "reached beyond the image, clipped")
        self.notes.append(fit)
        return None

    def refuse(self, where: str, what: str) -> None:
        self.issues.append(Issue(where, what, "refused"))

    def fix(self, where: str, what: str) -> None:
        self.issues.append(Issue(where, what, "fixed"))

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the image to which coordinates refer; 1, 1 if it cannot be read."""
        if self.frame is None:
            return 1, 1
        return self.frame[:2] if self.stored else self.frame.upright

    @property
    def annotations(self) -> list[Annotation] | None:
        return None if self.problem is not None or self.frame is None else self.notes


def is_pixels(value: Any) -> bool:
    """Whether a value of a JSON is a number that can be a coordinate; not NaN."""
    return type(value) in (int, float) and abs(value) < LONGEST


def size_in(held: Mapping[str, Any], width: str = "width", height: str = "height") -> tuple[int, int] | None:
    """The size that a source states under two keys; None unless both are numbers above 0."""
    size = [held.get(key) for key in (width, height)]
    across, down = (int(v) if isinstance(v, int | float) and 0 < v < LONGEST else 0 for v in size)
    return (across, down) if across and down else None


def sheet(file: Path, stated: tuple[int, int] | None = None) -> Sheet:
    """A sheet for an image file. `stated`: its width and height according to the source, if any.

    Coordinates refer to the upright image if it has the stated size, otherwise to the stored pixels if those have.
    """
    return sheet_of(frame_of(file), stated)


def sheet_of(frame: Frame | None, stated: tuple[int, int] | None = None) -> Sheet:
    """The same by the frame of an image, None if it cannot be read."""
    if frame is None or stated is None or stated == frame.upright:
        return Sheet(frame)
    if stated == frame[:2]:
        return Sheet(frame, stored=True)
    here, there = (f"{w:,} × {h:,} px" for w, h in (frame.upright, stated))
    return Sheet(frame, problem=f"the source says {there}, the image has {here}")


def has_objects(record: Record) -> bool:
    return any(not note.is_tag for note in record.annotations or ())


def fit_to_image(record: Record, size: tuple[int, int] | None) -> None:
    """Clip or refuse the objects of a record by the size of its image; None: the image was refused, with all objects.

    For plug-in formats, and for images whose damage only decoding finds. Objects taken by a Sheet stay unchanged.
    """
    notes = record.annotations or []
    if size is None:
        objects = sum(not note.is_tag for note in notes)
        record.issues.append(Issue(record.path, "its image was refused", "refused", objects))
        record.annotations = None
        return
    kept = []
    for n, note in enumerate(notes, 1):
        try:
            fit, how = fitted(note, *size)
        except ValueError as error:
            record.issues.append(Issue(f"{record.path}, object {n}", str(error), "refused"))
            continue
        if how == "clipped":
            record.issues.append(
                Issue(f"{record.path}, object {n}", "reached beyond the image, clipped", "fixed")
            )
        kept.append(fit)
    record.annotations = kept


class Counts:
    """Counts of the objects of a source: read = taken + fixed + refused."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.issues: list[str] = []

    def meet(self, record: Record) -> None:
        refused = sum(issue.objects for issue in record.issues if issue.outcome == "refused")
        placed = [note for note in record.annotations or () if not note.is_tag]
        fixed = len({issue.where for issue in record.issues if issue.outcome == "fixed"})
        found = {"taken": len(placed) - fixed, "fixed": fixed, "refused": refused}
        self.numbers.update(found | {"read": len(placed) + refused})
        self.issues += map(str, record.issues)

    def book(self) -> dict[str, Any]:
        """{} for a source without objects."""
        if not self.numbers["read"]:
            return {}
        return {"objects": dict(self.numbers), "object_issues": self.issues}

    def remarks(self) -> list[str]:
        """The first SHOWN issues, and the number of the others."""
        more = len(self.issues) - SHOWN
        rest = [f"and {more:,} more: `object_issues` in data/pool/report.json"] if more > 0 else []
        return self.issues[:SHOWN] + rest
