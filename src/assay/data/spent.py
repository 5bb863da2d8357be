"""Seconds that people spent on judgements, as recorded in the edits: the cost of an act, measured.

    label     a label of an image that nobody had to check: the median
    review    a label that was checked: an image sent for review, a check of the audit, a settled dispute
    box, mask an object, from images with different numbers of objects: seconds = image + object × count, by the slope
              of Theil and Sen (the median over pairs of images)

Medians, as a person who leaves the desk leaves the clock running.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.data.edits import SETTLES, Batches, Judgement, is_of_person
from assay.data.ledger import Batch
from assay.data.suspects import MARK, REVIEW

ENOUGH = 30
"""Fewest judgements with recorded seconds that replace a number of the params."""
MOST = 1000
"""Most judgements, the latest, that a slope is taken from: it compares all pairs."""


@dataclass(frozen=True)
class Spent:
    """Median seconds of an act with a 95 % interval; n: judgements. `image`: of an object, the seconds per image."""

    seconds: float
    low: float
    high: float
    n: int
    image: float | None = None


def timed(batches: Batches) -> list[Judgement]:
    """The labels by people with recorded seconds, in the order of the fold."""
    return [
        one
        for _, batch in batches
        for one in batch
        if one.op == "label" and one.seconds and is_of_person(one.by)
    ]


def per_label(batches: Batches, sent: Iterable[Batch]) -> dict[str, Spent]:
    """{"label", "review"}: what a label of a whole image takes; without those with fewer than ENOUGH judgements."""
    checked = {row.id for batch in sent for row in batch.rows if row.strategy == REVIEW}
    seconds: dict[str, list[float]] = {"label": [], "review": []}
    for one in timed(batches):
        if all(note.is_tag for note in one.annotations or ()):
            is_review = one.id in checked or one.why.startswith((MARK, SETTLES))
            seconds["review" if is_review else "label"].append(float(one.seconds or 0))
    return {act: median(np.array(held)) for act, held in seconds.items() if len(held) >= ENOUGH}


def median(seconds: NDArray[np.float64]) -> Spent:
    """The median, with the order statistics that hold it with 95 % (binomial, normal approximation)."""
    ordered, n = np.sort(seconds), len(seconds)
    reach = 0.98 * n**0.5
    low, high = (int(np.clip(n / 2 + side * reach, 0, n - 1)) for side in (-1, 1))
    return Spent(float(np.median(ordered)), float(ordered[low]), float(ordered[high]), n)


def per_object(batches: Batches) -> dict[str, Spent]:
    """{"box", "mask"}: what an object takes; without an act of too few images, or of one number of objects."""
    rows: dict[str, list[tuple[int, float]]] = {"box": [], "mask": []}
    for one in timed(batches):
        notes = [note for note in one.annotations or () if not note.is_tag]
        masks = sum(note.segmentation is not None for note in notes)
        if notes and masks in (0, len(notes)):
            rows["mask" if masks else "box"].append((len(notes), float(one.seconds or 0)))
    found = {
        act: slope(np.array(held[-MOST:], np.float64)) for act, held in rows.items() if len(held) >= ENOUGH
    }
    return {act: spent for act, spent in found.items() if spent is not None}


def slope(rows: NDArray[np.float64]) -> Spent | None:
    """Seconds of an object and of an image from rows (n, 2) of count and seconds; None if the counts do not tell them.

    P. K. Sen: Estimates of the regression coefficient based on Kendall's tau, 1968; the interval too.
    """
    count, seconds = rows.T
    a, b = np.triu_indices(len(rows), 1)
    apart = count[a] != count[b]
    if apart.sum() < ENOUGH:
        return None
    slopes = np.sort((seconds[a] - seconds[b])[apart] / (count[a] - count[b])[apart])
    each = float(np.median(slopes))
    if each <= 0:
        return None
    reach = 1.96 * _deviation(count) / 2
    low, high = (int(np.clip(len(slopes) / 2 + side * reach, 0, len(slopes) - 1)) for side in (-1, 1))
    image = max(0.1, float(np.median(seconds - each * count)))
    return Spent(each, max(0.0, float(slopes[low])), float(slopes[high]), len(rows), image)


def _deviation(count: NDArray[np.float64]) -> float:
    """Standard deviation of Kendall's S, with ties in the counts."""
    n, ties = len(count), np.unique(count, return_counts=True)[1]
    cubes = n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()
    return float((cubes / 18) ** 0.5)
