"""The section `effort`, and how a scheme of annotation is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from assay.params.bounds import EACH_ONCE, Hours, Repeats, Seconds, Section, within

RULES: dict[str, tuple[str, ...]] = {
    "masks": (),
    "polygons": (),
    "boxes": ("ellipse", "otsu", "filled"),
    "points": (),
    "tags": (),
}
"""Kinds of annotation, and the rules by which masks are made of them; the first is the usual one."""
PART = re.compile(r"(?:(0?\.\d+)\*)?([a-z]+)(?:/([a-z]+))?(?:@(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class SchemePart:
    """One kind of annotation of a scheme."""

    kind: str
    rule: str | None
    """None: the usual one."""
    seconds: float | None
    """Of one object; None: as in `effort.seconds`."""
    share: float | None
    """Of the hours; None: an equal part of what the others leave."""


def parse_scheme(text: str) -> tuple[SchemePart, ...]:
    """The parts of a scheme such as `boxes`, `masks@25`, `boxes/otsu`, `0.25*masks+boxes`. ValueError if it is none."""
    parts = tuple(_part(piece, text) for piece in text.split("+"))
    given = [part.share for part in parts if part.share is not None]
    if (len(given) == len(parts)) != (abs(sum(given) - 1) < 1e-9) or sum(given) > 1 + 1e-9:
        raise ValueError(
            f"scheme {text}: shares of the hours must leave something to the others, or sum to 1"
        )
    return parts


def _part(piece: str, text: str) -> SchemePart:
    found = PART.fullmatch(piece.strip())
    if not found or found[2] not in RULES:
        raise ValueError(
            f"scheme {text}: {piece.strip() or 'an empty part'} is not KIND, KIND/RULE, KIND@SECONDS or SHARE*KIND "
            f"with one of {', '.join(RULES)}"
        )
    share, kind, rule, seconds = found.groups()
    if rule is not None and rule not in RULES[kind]:
        raise ValueError(
            f"scheme {text}: {kind} have no rule {rule}; valid: {', '.join(RULES[kind]) or 'none'}"
        )
    if seconds is not None and not float(seconds):
        raise ValueError(f"scheme {text}: no annotation takes 0 s")
    return SchemePart(kind, rule, *(None if one is None else float(one) for one in (seconds, share)))


def act_of(text: str) -> str:
    """A scheme without its rules, which are no concern of the people who draw: `boxes` of `boxes/otsu`."""
    return re.sub(r"/[a-z]+", "", text)


def _is_scheme(text: str) -> str:
    parse_scheme(text)
    return text


SchemeText = Annotated[str, Field(max_length=200), AfterValidator(_is_scheme)]


class UnitSeconds(Section):
    """Time of people for one act, in seconds; from the literature, until you measure yours."""

    image: Seconds = 10.0
    """Looking at an image: per image, whatever is drawn. An assumption."""
    tag: Seconds = 1.0
    """Saying whether an image shows a class: of each class of the data, 20 for 20 (Bearman et al. 2016)."""
    point: Seconds = 2.4
    """Clicking on an object (Bearman et al. 2016)."""
    box: Seconds = 7.0
    """A box by extreme clicking (Papadopoulos et al. 2017); 35 by dragging, as for ImageNet."""
    vertex: Seconds = 1.75
    """A vertex of a polygon: a quarter of a box, which is four clicks. An assumption."""
    mask: Seconds = 79.2
    """A precise outline, as for COCO (Lin et al. 2014)."""


class Effort(Section):
    """`assay effort`: what people should draw in the hours there are; no stage of dvc.yaml."""

    schemes: Annotated[list[SchemeText], EACH_ONCE] = []
    """Schemes to compare, e.g. boxes, boxes/otsu, masks@25, 0.25*masks+boxes; []: those the annotations allow."""
    target: Literal["auto", "masks", "boxes", "presence"] = "auto"
    """What is learnt and measured: masks (Dice), boxes (AP), presence of each class on an image (macro F1); auto: masks
    if all objects have one, else boxes."""
    hours: Annotated[list[Hours], Field(min_length=2, max_length=100)] = [1.0, 4.0, 16.0]
    """Budgets in hours of people's time."""
    seeds: Repeats = 3
    """Number of seeds; each annotates the train images in another random order, the same for every scheme."""
    seconds: UnitSeconds = UnitSeconds()
    measured: bool = True
    """Take what an image, a box and a mask cost from the recorded `seconds` of people, from 30 judgements on."""
    vertices: Annotated[int, within(3, 1000)] = 8
    """Most vertices of a polygon."""
    image_size: Annotated[int, within(32, 2048)] = 192
    """Longer side of the images that the quick learner sees, in px."""
    learner: Literal["quick", "model"] = "quick"
    """What is trained: a small decoder on a frozen network (seconds), or the model of `train`."""

    @model_validator(mode="after")
    def _ascending(self) -> Effort:
        if self.hours != sorted(set(self.hours)):
            raise ValueError(f"hours must increase: {self.hours}")
        return self
