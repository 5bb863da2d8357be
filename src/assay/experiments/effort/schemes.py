"""Schemes of annotation: what is drawn of an image, its price, what is learnt from it, the images that hours allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.experiments.effort import projections, pseudo_labels
from assay.experiments.effort.study_data import EffortTarget, StudyData
from assay.params.effort import RULES, SchemePart, UnitSeconds, parse_scheme

Floats = NDArray[np.float64]

Drawing = tuple[str, str | None]
"""Kind and rule."""

MASK_RULES: dict[Drawing, pseudo_labels.Rule] = {
    ("masks", None): pseudo_labels.as_drawn,
    ("polygons", None): pseudo_labels.as_drawn,
    ("boxes", "ellipse"): pseudo_labels.ellipses,
    ("boxes", "otsu"): pseudo_labels.otsu,
    ("boxes", "filled"): pseudo_labels.filled,
    ("points", None): pseudo_labels.discs,
}
BOX_RULES: dict[Drawing, pseudo_labels.Rule] = {
    ("boxes", None): pseudo_labels.as_drawn,
    ("points", None): pseudo_labels.typical_boxes,
}
TAUGHT: dict[EffortTarget, dict[Drawing, pseudo_labels.Rule]] = {
    "masks": MASK_RULES,
    "boxes": BOX_RULES,
}
"""Rules that turn drawings into training targets: by target, kind and name of the rule."""
USUAL: dict[EffortTarget, tuple[str, ...]] = {
    "masks": (
        *("masks", "polygons", "boxes/ellipse", "boxes/otsu", "boxes/filled", "points", "tags"),
        *("0.25*masks+boxes", "0.5*masks+boxes"),
    ),
    "boxes": ("boxes", "points", "tags", "0.5*boxes+points"),
}
"""Schemes where none are named; the first is the full annotation, which the others are compared with."""


@dataclass(frozen=True)
class PricedPart:
    """One kind of annotation with its price: a part of a scheme."""

    kind: str
    rule: str | None
    share: float
    """Of the seconds of the whole scheme."""
    look: float
    """Seconds an image."""
    act: float
    """Seconds an object; of tags, a class of the data."""
    size: float = 0.0
    """Seconds of a box around one typical object of each class on an image, which points need."""

    @property
    def drawing(self) -> Drawing:
        return self.kind, self.rule

    def cost(self, objects: Sequence[Annotation], classes: int) -> float:
        """Seconds of one image."""
        there = [one.category for one in objects if not one.iscrowd]
        acts = classes if self.kind == "tags" else len(there)
        return self.look + self.act * acts + self.size * len(set(there))


@dataclass(frozen=True)
class Scheme:
    """Its parts share the hours: the first images are annotated in the way of the first part, and so on."""

    name: str
    parts: tuple[PricedPart, ...]


@dataclass(frozen=True)
class Affordable:
    """The images that a budget allows: rows of the pool in their order, how each is drawn, the seconds spent."""

    rows: tuple[int, ...]
    drawings: tuple[Drawing, ...]
    seconds: float


def resolve(name: str, target: EffortTarget, unit: UnitSeconds, vertices: int) -> Scheme:
    """A scheme with its prices."""
    parts = parse_scheme(name)
    free = [part for part in parts if part.share is None]
    rest = (1 - sum(part.share or 0.0 for part in parts)) / len(free) if free else 0.0
    prices = {
        "masks": unit.mask,
        "polygons": vertices * unit.vertex,
        "boxes": unit.box,
        "points": unit.point,
        "tags": unit.tag,
    }
    return Scheme(name, tuple(_priced(part, target, prices, unit, rest) for part in parts))


def _priced(
    part: SchemePart, target: EffortTarget, prices: Mapping[str, float], unit: UnitSeconds, rest: float
) -> PricedPart:
    usual = RULES[part.kind][0] if target == "masks" and RULES[part.kind] else None
    share = rest if part.share is None else part.share
    size = unit.box if part.kind == "points" else 0.0
    return PricedPart(
        part.kind, part.rule or usual, share, unit.image, part.seconds or prices[part.kind], size
    )


def why_not(scheme: Scheme, data: StudyData) -> str | None:
    """Why nothing can be learnt by a scheme on these data; None if something can."""
    for part in scheme.parts:
        if part.kind == "tags":
            return _why_no_tags(data)
        if part.drawing not in TAUGHT[data.target]:
            named = part.kind + (f"/{part.rule}" if part.rule else "")
            valid = ", ".join(kind + (f"/{rule}" if rule else "") for kind, rule in TAUGHT[data.target])
            return f"{named} is not a way to learn {data.target}; valid: {valid}"
    return None


def _why_no_tags(data: StudyData) -> str:
    shown = [{one.category for one in image if not one.iscrowd} for image in data.pool.objects]
    there = sorted(set().union(*shown))
    if all(name in image for image in shown for name in there):
        which = f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} on every image"
        return f"what is on every image teaches nothing by tags: {which}"
    return f"no learner here takes {data.target} from tags alone"


def order_of(data: StudyData, seed: int) -> list[int]:
    """The order in which the images of the pool are annotated, the same for every scheme."""
    found: list[int] = np.random.default_rng([seed, len(data.pool)]).permutation(len(data.pool)).tolist()
    return found


def affordable(scheme: Scheme, data: StudyData, order: Sequence[int], seconds: float) -> Affordable:
    """As many images of an order as the seconds allow: each part until the next image would cost more than is left."""
    rows: list[int] = []
    drawings: list[Drawing] = []
    left, spent = 0.0, 0.0
    for part in scheme.parts:
        left += part.share * seconds
        costs = np.cumsum(
            [part.cost(data.pool.objects[row], len(data.categories)) for row in order[len(rows) :]]
        )
        count = int(np.searchsorted(costs, left + 1e-6, side="right"))
        used = float(costs[count - 1]) if count else 0.0
        rows += order[len(rows) : len(rows) + count]
        drawings += [part.drawing] * count
        left, spent = left - used, spent + used
    return Affordable(tuple(rows), tuple(drawings), spent)


def teacher(data: StudyData, vertices: int) -> Callable[[Drawing, int], list[Annotation]]:
    """A function (drawing, row of the pool) -> the annotations that are learnt from that image."""
    projects: dict[str, projections.Project] = {
        "masks": projections.as_it_is,
        "polygons": projections.as_polygon(vertices),
        "boxes": projections.as_box,
        "points": projections.as_point,
    }

    def taught(drawing: Drawing, row: int) -> list[Annotation]:
        image = data.labelled_image(row)
        objects = data.pool.objects[row]
        made = projections.projected(objects, projects[drawing[0]], image.height, image.width)
        crowds = [one for one in objects if one.iscrowd]
        return [*TAUGHT[data.target][drawing](made, image), *crowds]

    return taught
