"""Suspected objects as rows for people: what is there, what a detector suggests, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.labels.objects.suspicions import KINDS, MISSED, MOVED, SPURIOUS, SWAPPED, Suspicions
from assay.metrics.annotated import annotations_of, truth_of
from assay.metrics.detected import Detected
from assay.metrics.objects import Objects

DECIMALS = 6
"""Of a probability."""
Row = dict[str, Any]


def rows(
    judged: Detected,
    found: Suspicions,
    ids: Sequence[str],
    splits: Sequence[str],
    labels: Sequence[str],
    categories: Sequence[str],
) -> list[Row]:
    """A row for each suspicion about the `labels` of images, in their order.

    given, box, outline: class, box and mask of the label, None where one is missing; suggested, suggested_box,
    suggested_outlines: what it would become, None where it would go. Boxes are x, y, width, height in px of the upright
    image, as they are in the label; outlines are JSON: none without masks, or where the label keeps its own.
    """
    place = {category: k for k, category in enumerate(categories)}
    boxes = truth_of(annotations_of(labels), place).by_class().boxes
    overlaps = _overlaps(judged, found)
    made = []
    for at, kind in enumerate(found.kinds.tolist()):
        image, label, detection = (
            int(column[at]) for column in (found.images, found.labels, found.detections)
        )
        given = categories[judged.truth.classes[label]] if kind != MISSED else None
        suggested = categories[found.classes[at]] if kind != SPURIOUS else None
        box = boxes[label].tolist() if kind != MISSED else None
        outline = _outline(judged.truth, label) if kind != MISSED else None
        seen = judged.detections.boxes[detection].tolist() if detection >= 0 else None
        score = float(judged.detections.scores[detection]) if detection >= 0 else 0.0
        made.append(
            {
                "id": ids[image],
                "split": splits[image],
                "kind": KINDS[kind],
                "given": given,
                "suggested": suggested,
                "probability": round(float(found.probabilities[at]), DECIMALS),
                "box": box,
                "outline": outline,
                "suggested_box": box if kind == SWAPPED else None if kind == SPURIOUS else seen,
                "suggested_outlines": [] if kind == SWAPPED else _outlines(judged.detections, detection),
                "reason": reason(kind, given, suggested, score, float(overlaps[at])),
            }
        )
    return made


def _outline(objects: Objects, number: int) -> str | None:
    """The mask of an object as JSON; None without one."""
    if objects.masks is None or number < 0:
        return None
    mask = objects.masks[number]
    return json.dumps({"size": list(mask["size"]), "counts": mask["counts"].decode()})


def _outlines(objects: Objects, number: int) -> list[str]:
    outline = _outline(objects, number)
    return [] if outline is None else [outline]


def _overlaps(judged: Detected, found: Suspicions) -> NDArray[np.float64]:
    """(m,) IoU of the label and the detection; 0 without one of the two."""
    overlaps = np.zeros(len(found))
    both = np.flatnonzero((found.labels >= 0) & (found.detections >= 0))
    overlaps[both] = judged.overlap(judged.detections)(found.detections[both], found.labels[both])
    return overlaps


def reason(kind: int, given: str | None, suggested: str | None, score: float, overlap: float) -> str:
    """Why an object is suspected, in a sentence."""
    if kind == MISSED:
        return f"the model sees {suggested!r} with a score of {score:.2f} where nothing is labelled"
    if kind == SPURIOUS:
        return f"the model sees hardly anything where {given!r} is labelled; it may be hard to see"
    if kind == SWAPPED:
        return f"the model sees {suggested!r} with a score of {score:.2f} where {given!r} is labelled"
    assert kind == MOVED
    return f"the model sees {given!r} with a score of {score:.2f} at a place that overlaps the label by {overlap:.2f}"
