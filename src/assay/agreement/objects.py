"""Agreement about objects: boxes, or masks where both have an outline, matched by IoU.

Two people about one image: the assignment with the largest sum of IoUs (Hungarian), of pairs with an IoU of NEAR and
more, whatever their classes. Several people: clusters of one object each. The pairs of all people are taken in the
order of falling IoU, and join two clusters unless a person has an object in both.

    presence    F1 = 2 matched / (objects of the one + objects of the other)
    overlap     mean IoU of the matched objects
    classes     Krippendorff's alpha over the clusters with objects of two people and more
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from assay.agreement.nominal import LEAST, alpha_from, disagreement
from assay.agreement.resampled import resampled
from assay.data.annotations import Annotation
from assay.data.masks import iou as iou_of_masks
from assay.data.masks import rle_of
from assay.data.outlines import RLE
from assay.metrics.estimates import Estimate, Floats, ratio

NEAR = 0.5
"""Least IoU of two annotations of one object."""
Size = tuple[int, int]
Words = Mapping[str, Mapping[str, Sequence[Annotation]]]
"""{image: {person: annotations}}"""


@dataclass(frozen=True)
class Member:
    """An object of a cluster, and who annotated it."""

    person: str
    note: Annotation


Cluster = list[Member]


def overlaps(these: Sequence[Annotation], those: Sequence[Annotation], size: Size) -> Floats:
    """(n, m) IoU: of masks if both objects have one, otherwise of their boxes. `size`: height, width."""
    found = _of_boxes(_boxes(these), _boxes(those))
    (rows, ours), (columns, theirs) = _masks(these, size), _masks(those, size)
    if rows and columns:
        found[np.ix_(rows, columns)] = iou_of_masks(ours, theirs)
    return found


def _masks(notes: Sequence[Annotation], size: Size) -> tuple[list[int], list[RLE]]:
    """(places of the objects with a mask, their masks)"""
    held = [(at, mask) for at, one in enumerate(notes) if (mask := mask_of(one, size)) is not None]
    return [at for at, _ in held], [mask for _, mask in held]


def mask_of(one: Annotation, size: Size) -> RLE | None:
    """The mask of an object; None without an outline, or if it is so small that it covers no pixel."""
    try:
        return None if one.segmentation is None else rle_of(one.segmentation, *size)
    except ValueError:
        return None


def _boxes(notes: Sequence[Annotation]) -> Floats:
    return np.array([one.box for one in notes], np.float64).reshape(-1, 4)


def _of_boxes(these: Floats, those: Floats) -> Floats:
    a, b = these[:, None], those[None]
    ends = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    sides = np.maximum(ends - np.maximum(a[..., :2], b[..., :2]), 0.0)
    shared = sides.prod(-1)
    return ratio(shared, a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared, 0.0)


def matched(iou: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the matched pairs of an IoU table (n, m)."""
    near = np.where(iou >= NEAR, iou, 0.0)
    rows, columns = linear_sum_assignment(near, maximize=True)
    kept = near[rows, columns] > 0
    return rows[kept], columns[kept]


def objects_in(notes: Sequence[Annotation]) -> list[Annotation]:
    """The annotations that are single objects: no tag, no crowd."""
    return [one for one in notes if not one.is_tag and not one.iscrowd]


# --- two people


def pairs(words: Words, sizes: Mapping[str, Size]) -> list[dict[str, Any]]:
    """Each two people with LEAST common images: {"people", "presence", "overlap", "images"}, most images first."""
    parts: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for sample, said in words.items():
        objects = {by: objects_in(notes) for by, notes in said.items()}
        for a, b in combinations(sorted(objects), 2):
            iou = overlaps(objects[a], objects[b], sizes[sample])
            rows, columns = matched(iou)
            row = (len(rows), float(iou[rows, columns].sum()), len(objects[a]) + len(objects[b]))
            parts.setdefault((a, b), []).append(row)
    found = [
        {"people": list(people), **_pair(np.array(rows, np.float64)), "images": len(rows)}
        for people, rows in parts.items()
        if len(rows) >= LEAST
    ]
    return sorted(found, key=lambda row: (-row["images"], row["people"]))


def _pair(parts: Floats) -> dict[str, Estimate]:
    def value(sums: Floats) -> Floats:
        return np.column_stack([ratio(2 * sums[:, 0], sums[:, 2]), ratio(sums[:, 1], sums[:, 0])])

    presence, overlap = resampled(parts, value, np.array([parts[:, 2].sum(), parts[:, 0].sum()]))
    return {"presence": presence, "overlap": overlap}


# --- several people


def clusters(said: Mapping[str, Sequence[Annotation]], size: Size) -> list[Cluster]:
    """The objects of an image, one cluster for each; a cluster has at most one annotation of a person."""
    members = [Member(by, note) for by in sorted(said) for note in objects_in(said[by])]
    notes = [member.note for member in members]
    iou = overlaps(notes, notes, size)
    near = [
        (float(iou[a, b]), a, b)
        for a, b in combinations(range(len(members)), 2)
        if iou[a, b] >= NEAR and members[a].person != members[b].person
    ]
    of = {at: [at] for at in range(len(members))}
    for _, a, b in sorted(near, key=lambda pair: -pair[0]):
        if of[a] is not of[b] and not _people(of[a], members) & _people(of[b], members):
            joined = of[a] + of[b]
            of |= dict.fromkeys(joined, joined)
    distinct = {id(group): group for group in of.values()}
    return [[members[at] for at in sorted(group)] for group in distinct.values()]


def _people(group: Sequence[int], members: Sequence[Member]) -> set[str]:
    return {members[at].person for at in group}


def alpha_of_classes(words: Words, sizes: Mapping[str, Size]) -> Estimate:
    """Krippendorff's alpha of the classes of matched objects; intervals over images, n: the clusters."""
    found = {s: [c for c in clusters(said, sizes[s]) if len(c) >= 2] for s, said in words.items()}
    names = sorted({member.note.category for some in found.values() for one in some for member in one})
    units = sum(map(len, found.values()))
    if not units:
        return {"value": None, "low": None, "high": None, "n": 0}
    parts = np.stack([_unit_sums(some, names) for some in found.values() if some])
    return resampled(parts, lambda sums: alpha_from(sums)[:, None], np.array([units]))[0]


def _unit_sums(some: Sequence[Cluster], names: Sequence[str]) -> Floats:
    counts = np.array(
        [[sum(m.note.category == name for m in one) for name in names] for one in some], np.float64
    )
    sums: Floats = np.append(disagreement(counts).sum(), counts.sum(0))
    return sums
