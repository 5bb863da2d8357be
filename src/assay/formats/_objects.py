"""What a source says of the objects on one image, object by object: taken, fixed or refused by one rule.

| an object that …                                              | is                                                  |
|---------------------------------------------------------------|-----------------------------------------------------|
| has a NaN, no width or height, a ring of two corners          | refused; only its box is, if the outline is sound   |
| has an unknown class                                          | refused                                             |
| reaches at most 1 px beyond the image                         | taken as it is                                      |
| reaches further, with half of its box or more inside          | fixed: clipped at the border                        |
| lies outside                                                  | refused                                             |
| is on an image of another size than the source states         | refused, with all of that image, which is unlabelled|
| is on an image whose stored pixels have the stated size       | fixed: turned to the upright image (Exif)           |

An image keeps the objects that were taken: what was refused is listed by file and row, and counted.
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

SHOWN = 5
"""Issues that are spelt out below a source's books; data/pool/report.json has them all."""


@dataclass
class Sheet:
    """The objects of one image as they are read. `annotations` is None where no object can be placed."""

    frame: Frame | None
    stored: bool = False
    """Whether coordinates are those of the pixels as stored."""
    problem: str | None = None
    """Why no object can be placed on the image."""
    notes: list[Annotation] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def add(self, where: str, said: Mapping[str, Any]) -> None:
        """One object, in pixels: the fields of Annotation."""
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
    def annotations(self) -> list[Annotation] | None:
        return None if self.problem is not None or self.frame is None else self.notes


def sheet(file: Path, stated: tuple[int, int] | None = None) -> Sheet:
    """A sheet for an image file. `stated`: width and height that the source gives it, None if it gives none.

    The stated size tells which way up the coordinates are: the upright image where it has that size, or else the
    pixels as stored.
    """
    frame = frame_of(file)
    if frame is None or stated is None or stated == frame.upright:
        return Sheet(frame)
    if stated == frame[:2]:
        return Sheet(frame, stored=True)
    here, there = (f"{w:,} × {h:,} px" for w, h in (frame.upright, stated))
    return Sheet(frame, problem=f"the source says {there}, the image has {here}")


def has_objects(record: Record) -> bool:
    return any(not note.is_tag for note in record.annotations or ())


def fit_to_image(record: Record, size: tuple[int, int] | None) -> None:
    """Leave a record the objects that its image has room for; none where the image was refused (None).

    What a Sheet has taken stays as it is: this is for formats of one's own, and for images that are damaged further in.
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
    """The books of a source's objects: read = taken + fixed + refused."""

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
        """The first issues, and how many more there are."""
        more = len(self.issues) - SHOWN
        rest = [f"and {more:,} more: `object_issues` in data/pool/report.json"] if more > 0 else []
        return self.issues[:SHOWN] + rest
