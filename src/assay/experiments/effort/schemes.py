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

TAGS: Drawing = ("tags", None)
MASK_RULES: dict[Drawing, pseudo_labels.Rule] = {
    ("masks", None): pseudo_labels.as_drawn,
    ("polygons", None): pseudo_labels.as_drawn,
    ("boxes", "ellipse"): pseudo_labels.ellipses,
    ("boxes", "otsu"): pseudo_labels.otsu,
    ("boxes", "filled"): pseudo_labels.filled,
    ("points", None): pseudo_labels.discs,
    TAGS: pseudo_labels.as_drawn,
}
BOX_RULES: dict[Drawing, pseudo_labels.Rule] = {
    ("boxes", None): pseudo_labels.as_drawn,
    ("points", None): pseudo_labels.typical_boxes,
    TAGS: pseudo_labels.as_drawn,
}
PRESENCE_RULES: dict[Drawing, pseudo_labels.Rule] = dict.fromkeys(
    [TAGS, ("points", None), ("boxes", None), ("polygons", None), ("masks", None)], pseudo_labels.as_drawn
)
"""All that is drawn says which classes an image shows, and nothing else is learnt of it: only the prices differ."""
TAUGHT: dict[EffortTarget, dict[Drawing, pseudo_labels.Rule]] = {
    "masks": MASK_RULES,
    "boxes": BOX_RULES,
    "presence": PRESENCE_RULES,
}
"""Rules that turn drawings into training targets: by target, kind and name of the rule."""
USUAL: dict[EffortTarget, tuple[str, ...]] = {
    "masks": (
        *("masks", "polygons", "boxes/ellipse", "boxes/otsu", "boxes/filled", "points", "tags"),
        *("0.25*masks+boxes", "0.5*masks+boxes"),
    ),
    "boxes": ("boxes", "points", "tags", "0.5*boxes+points"),
    "presence": ("tags", "points", "boxes", "masks"),
}
"""Schemes where none are named; the first says all that is to be learnt, and the others are compared with it."""


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
    size = unit.box if part.kind == "points" and target != "presence" else 0.0
    return PricedPart(
        part.kind, part.rule or usual, share, unit.image, part.seconds or prices[part.kind], size
    )


def why_not(scheme: Scheme, data: StudyData, learner: str = "quick") -> str | None:
    """Why nothing can be learnt by a scheme on these data; None if something can."""
    always, classes = on_every_image(data), _classes_there(data)
    if data.target == "presence" and always == classes:
        return f"nothing is to be learnt: {_are(always)} on every image"
    for part in scheme.parts:
        if part.drawing not in TAUGHT[data.target]:
            named = part.kind + (f"/{part.rule}" if part.rule else "")
            valid = ", ".join(kind + (f"/{rule}" if rule else "") for kind, rule in TAUGHT[data.target])
            return f"{named} is not a way to learn {data.target}; valid: {valid}"
        if data.target != "presence" and part.drawing == TAGS:
            if always == classes:
                return f"what is on every image teaches nothing by tags: {_are(always)} on every image"
            if learner == "model":
                return f"the model of `train` does not learn {data.target} from tags; the quick learner does"
            if len(scheme.parts) > 1:
                return f"tags have a learner of their own, which takes no {data.target}: not in a mixture"
    return None


def on_every_image(data: StudyData) -> list[str]:
    """The classes that every image of the pool shows: tags say nothing of them."""
    shown = [{one.category for one in image} for image in data.pool.objects]
    return [name for name in _classes_there(data) if all(name in image for image in shown)]


def _classes_there(data: StudyData) -> list[str]:
    return sorted({one.category for image in data.pool.objects for one in image})


def notes(schemes: Sequence[Scheme], data: StudyData) -> list[str]:
    """What the result of tags does not say, in words."""
    always = on_every_image(data)
    if not always:
        return []
    if data.target == "presence":
        return [f"{_are(always)} on every train image: nothing is learnt of that, and F1 is high without"]
    if any(part.kind == "tags" for scheme in schemes for part in scheme.parts):
        return [f"tags: {_are(always)} on every train image, so that tags do not teach where"]
    return []


def _are(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


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
        "tags": projections.as_tag,
    }

    def taught(drawing: Drawing, row: int) -> list[Annotation]:
        image = data.labelled_image(row)
        objects = data.pool.objects[row]
        made = projections.projected(objects, projects[drawing[0]], image.height, image.width)
        crowds = [one for one in objects if one.iscrowd]
        return [*TAUGHT[data.target][drawing](made, image), *crowds]

    return taught
