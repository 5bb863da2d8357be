"""Each person against the consensus of the others: what votes can tell of a person without the right labels.

    classes    agree       share of their votes that are the most frequent class of the others; of t tied classes 1 / t
    objects    recall      share of the objects that more than half of the others marked, which the person marked too
               precision   share of the person's objects that at least half of the others marked too
               overlap     mean IoU of the person's objects and the consensus of the others, where matched
               classes     share of these with the class of the consensus

These are no accuracies. The others err too, which lowers them; and people err together, which raises them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.agreement.merged import marked_by_half, object_of
from assay.agreement.objects import Size, Words, matched, objects_in, overlaps
from assay.agreement.resampled import resampled
from assay.agreement.votes import Votes
from assay.data.annotations import Annotation
from assay.metrics.estimates import Estimate, Floats, ratio

OF_OBJECTS = "recall", "precision", "overlap", "classes"


def of_votes(votes: Votes) -> list[Estimate]:
    """`agree` of each person; n: their images that others judged too. Intervals by bootstrap over images."""
    others = votes.counts[votes.images]
    others[np.arange(len(others)), votes.labels] -= 1
    most = others.max(1)
    first = others == most[:, None]
    share = first[np.arange(len(others)), votes.labels] / first.sum(1)
    return [_mean(share[(votes.persons == at) & (most > 0)]) for at in range(len(votes.people))]


def _mean(values: Floats) -> Estimate:
    if not len(values):
        return {"value": None, "low": None, "high": None, "n": 0}
    parts = np.column_stack([values, np.ones(len(values))])
    return resampled(parts, lambda sums: ratio(sums[:, :1], sums[:, 1:]), np.array([len(values)]))[0]


def of_objects(words: Words, sizes: Mapping[str, Size]) -> list[dict[str, Any]]:
    """{"person", each of OF_OBJECTS, "images"} by name of the person; n of an estimate: its objects."""
    parts: dict[str, list[tuple[float, ...]]] = {}
    for sample, said in words.items():
        for person in said if len(said) > 1 else ():
            parts.setdefault(person, []).append(_sums(person, said, sizes[sample]))
    return [{"person": person, **_shares(np.array(rows))} for person, rows in sorted(parts.items())]


def _shares(parts: Floats) -> dict[str, Any]:
    wholes = [1, 3, 5, 5]
    counts = parts.sum(0)[wholes].astype(int)
    found = resampled(parts, lambda sums: ratio(sums[:, [0, 2, 4, 6]], sums[:, wholes]), counts)
    return {**dict(zip(OF_OBJECTS, found, strict=True)), "images": len(parts)}


def _sums(person: str, said: Mapping[str, Sequence[Annotation]], size: Size) -> tuple[float, ...]:
    """Of one image: objects of the others that the person marked, and all of them; the person's objects that others
    marked, and all of them; the sum of IoUs of matched objects, their number, and how many have the same class.
    """
    others = {by: notes for by, notes in said.items() if by != person}
    found = marked_by_half(others, size)
    ours, theirs = objects_in(said[person]), [object_of(one, size) for one in found]
    by_most = np.array([2 * len(one) > len(others) for one in found], bool)
    iou = overlaps(ours, theirs, size)
    rows, columns = matched(iou)
    same = sum(ours[a].category == theirs[b].category for a, b in zip(rows, columns, strict=True))
    return (
        *(float(by_most[columns].sum()), float(by_most.sum())),
        *(len(rows), len(ours)),
        *(float(iou[rows, columns].sum()), len(rows), same),
    )
