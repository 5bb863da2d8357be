"""Suspected masks as rows for people, in the form of `assay.labels.objects.table`; and the units of a label."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.data.annotations import Annotation, Box
from assay.data.masks import box_of_mask, encode
from assay.labels.masks.regions import Patch, Region, Unit
from assay.labels.masks.shapes import Mask, pieces
from assay.labels.masks.suspicions import Suspicion
from assay.labels.objects.table import DECIMALS, Row
from assay.metrics.annotated import mask_of, pixels_of


@dataclass(frozen=True)
class Drawn:
    """The label of one image."""

    id: str
    split: str
    annotations: Sequence[Annotation]
    units: Sequence[Unit]
    height: int
    width: int


def units(
    annotations: Sequence[Annotation], place: Mapping[str, int], height: int, width: int, apart: bool
) -> list[Unit]:
    """What is judged as one object: each annotation; without `apart`, each connected region of one."""
    made = []
    for number, one in enumerate(annotations):
        mask, category = pixels_of(mask_of(one, height, width)), place[one.category]
        if mask.any():
            parts = [mask] if apart or one.iscrowd else pieces(mask)
            made += [Unit(number, category, Patch.of(part), one.iscrowd) for part in parts]
    return made


def row(found: Suspicion, drawn: Drawn, categories: Sequence[str]) -> Row:
    """The row of one suspicion.

    suggested_outlines: what the annotation would become, as JSON; none where it would go, or keep its outline. also:
    the box of an annotation that goes, as it becomes part of this one. focus: the box around what is meant.
    """
    region = found.region
    unit = drawn.units[region.label] if region.label >= 0 else None
    there = drawn.annotations[unit.annotation] if unit else None
    masks, suggested = _masks(found, drawn, unit), categories[found.category]
    if found.kind == "swapped" and unit and masks:  # a part of an annotation: the rest keeps its class
        suggested = categories[unit.category]
    goes = not masks and found.kind != "swapped"
    box = list(there.box or ()) if there else None
    return {
        "id": drawn.id,
        "split": drawn.split,
        "kind": found.kind,
        "given": there.category if there else None,
        "suggested": None if goes else suggested,
        "probability": round(found.probability, DECIMALS),
        "box": box,
        "outline": _json(unit.patch.on(_whole(drawn))) if unit else None,
        "suggested_box": None if goes else _around(masks) if masks else box,
        "suggested_outlines": [_json(mask) for mask in masks],
        "also": _also(found, drawn),
        "focus": _around([region.patch.on(_whole(drawn))]),
        "reason": reason(found, categories),
    }


def _whole(drawn: Drawn) -> Mask:
    return np.zeros((drawn.height, drawn.width), bool)


def _masks(found: Suspicion, drawn: Drawn, unit: Unit | None) -> list[Mask]:
    """The masks that the annotation would become."""
    if unit is None:
        return [patch.on(_whole(drawn)) for patch in found.better]
    rest = _whole(drawn)
    for one in drawn.units:
        if one.annotation == unit.annotation and one is not unit:
            rest[one.patch.window] |= one.patch.pixels
    if found.kind == "swapped":
        return [rest] if rest.any() else []
    first, *others = [patch.on(_whole(drawn)) for patch in found.better] or [_whole(drawn)]
    return [mask for mask in (first | rest, *others) if mask.any()]


def _also(found: Suspicion, drawn: Drawn) -> Box | None:
    if found.kind != "split":
        return None
    return drawn.annotations[drawn.units[found.region.twin].annotation].box


def _json(mask: Mask) -> str:
    return json.dumps(encode(mask).model_dump(mode="json"))


def _around(masks: Sequence[Mask]) -> list[float]:
    return list(box_of_mask(encode(np.logical_or.reduce(masks))))


def reason(found: Suspicion, categories: Sequence[str]) -> str:
    """Why a mask is suspected, in a sentence."""
    region, own, new = found.region, categories[found.region.category], categories[found.category]
    return REASONS[found.kind, found.why](region, own, new)


REASONS: Mapping[tuple[str, str], Callable[[Region, str, str], str]] = {
    ("outline", "hole"): lambda region, own, _: (
        f"the outline has a hole; the model sees {own!r} there with a probability of {region.hole:.2f}"
    ),
    ("outline", "pieces"): lambda region, own, _: (
        f"the outline has {region.parts} pieces that do not touch; hardly any {own!r} has more than one"
    ),
    ("merged", "neck"): lambda region, own, _: (
        f"two bodies hang together by a neck; hardly any {own!r} has one: it may be two"
    ),
    ("split", "twin"): lambda region, own, _: (
        f"with the {own!r} that it touches it makes a convex whole: the two may be one"
    ),
    ("missed", "seen"): lambda region, own, _: (
        f"the model sees {own!r} with a probability of {region.support:.2f} where nothing is labelled"
    ),
    ("spurious", "seen"): lambda region, own, _: (
        f"the model sees {own!r} with a probability of {region.support:.2f} only where it is labelled"
    ),
    ("swapped", "seen"): lambda region, own, new: f"the model sees {new!r} where {own!r} is labelled",
    ("outline", "seen"): lambda region, own, _: (
        f"the model sees {own!r} with another outline, {region.off:.1f} px away on average"
    ),
}
