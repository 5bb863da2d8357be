"""Consensus of objects: one for each cluster that more than half of the people annotated.

The class is the most frequent one; box and mask are medians of those of that class: a box of its coordinates, a mask of
its pixels (`median_mask.py`). Attributes are those that more than half of them have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from assay.agreement.median_mask import median_mask
from assay.agreement.objects import Cluster, Size, clusters, mask_of
from assay.data.annotations import Annotation, Box
from assay.data.masks import iou


def merged(said: Mapping[str, Sequence[Annotation]], size: Size) -> tuple[list[Annotation], list[str]]:
    """The objects of one image by consensus, and what people do not agree about, in words.

    Tags and crowd regions are kept if more than half of the people have them.
    """
    most, kept, disputes = len(said), [], []
    for one in marked_by_half(said, size):
        category, votes = _vote(one)
        if 2 * len(one) == most:
            disputes.append(f"{category}: annotated by {len(one)} of {most}")
            continue
        kept.append(object_of(one, size))
        if 2 * votes <= len(one):
            disputes.append(f"{_tally(one)}: no class has more than half of the votes")
    others = Counter(
        note for notes in said.values() for note in _distinct([n for n in notes if n.is_tag or n.iscrowd])
    )
    kept += [
        Annotation.model_validate_json(text) for text, count in sorted(others.items()) if 2 * count > most
    ]
    return sorted(kept, key=_place), sorted(disputes)


def marked_by_half(said: Mapping[str, Sequence[Annotation]], size: Size) -> list[Cluster]:
    """The clusters with objects of at least half of the people."""
    return [one for one in clusters(said, size) if 2 * len(one) >= len(said)]


def _distinct(notes: Sequence[Annotation]) -> set[str]:
    return {note.model_dump_json(exclude_defaults=True) for note in notes}


def _place(one: Annotation) -> tuple[bool, tuple[float, ...], str]:
    """From top to bottom, then from left to right; tags last."""
    box = one.box
    return box is None, (0.0,) if box is None else (box[1], box[0], box[3], box[2]), one.category


def _vote(one: Cluster) -> tuple[str, int]:
    counts = Counter(member.note.category for member in one)
    return min(counts.items(), key=lambda item: (-item[1], item[0]))


def _tally(one: Cluster) -> str:
    counts = Counter(member.note.category for member in one)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def object_of(one: Cluster, size: Size) -> Annotation:
    """The consensus of a cluster."""
    category, _ = _vote(one)
    notes = [member.note for member in one if member.note.category == category]
    if all(note == notes[0] for note in notes):
        return notes[0]
    shared = Counter(item for note in notes for item in note.attributes.items())
    attributes = {name: value for (name, value), count in sorted(shared.items()) if 2 * count > len(notes)}
    if masks := [mask for note in notes if (mask := mask_of(note, size)) is not None]:
        # disjoint masks, of people in between who gave another class, have an empty median
        outline = median_mask(masks) or masks[int(iou(masks, masks).sum(1).argmax())]
        return Annotation(category=category, segmentation=outline, attributes=attributes)
    box = _median([note.box for note in notes if note.box is not None])
    return Annotation(category=category, bbox=box, attributes=attributes)


def _median(boxes: Sequence[Box]) -> Box:
    """The box between the medians of the left, upper, right and lower sides."""
    sides = np.array(boxes)
    left, top, right, bottom = np.median(np.hstack([sides[:, :2], sides[:, :2] + sides[:, 2:]]), axis=0)
    return float(left), float(top), float(right - left), float(bottom - top)
