"""Suspects of the audit among the images of the advice, and simulated reviews of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.corrections import corrected
from assay.data.object_suspects import correction
from assay.data.suspects import LIKELY, POSSIBLE, WrongShare, share_of, suspects
from assay.experiments.advice.labelled_data import LabelledData
from assay.metrics.annotated import annotations_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Labels = NDArray[np.object_]
Split = Literal["train", "val"]
Correct = Callable[[str, Sequence[Any]], str]
"""A label, and what is suggested about it -> the label with that put right."""
NOTHING = "nothing"


@dataclass(frozen=True)
class Suspects:
    """Suspects of one split by falling probability: labels, or single objects of them."""

    rows: Ints
    """Image of each suspect."""
    suggested: Labels
    """What would be right: a class, or the correction of an object."""
    probability: Floats
    """That it is wrong."""
    words: Labels
    """(suspects, 2) what is given, and what is suggested, for people."""
    correct: Correct

    def __len__(self) -> int:
        """Number of images: so many reviews."""
        return len(np.unique(self.rows))

    def above(self, least: float) -> Suspects:
        """Those with a probability of at least `least`."""
        return self.take(self.probability >= least)

    def take(self, chosen: NDArray[np.bool_]) -> Suspects:
        rows, suggested, probability = self.rows[chosen], self.suggested[chosen], self.probability[chosen]
        return Suspects(rows, suggested, probability, self.words[chosen], self.correct)

    @property
    def best(self) -> Floats:
        """The probability of each image: that of its most probable suspect."""
        images, where = np.unique(self.rows, return_inverse=True)
        found = np.zeros(len(images))
        np.maximum.at(found, where, self.probability)
        return found

    def of_images(self, least: float) -> Suspects:
        """All suspects of the images with a probability of at least `least`."""
        return self.take(np.isin(self.rows, np.unique(self.rows)[self.best >= least]))

    def found_wrong(self, rng: np.random.Generator) -> Suspects:
        """A draw of those that a review finds wrong, each with its probability."""
        return self.take(rng.random(len(self.rows)) < self.probability)

    def corrected(self, given: Labels) -> Labels:
        """The labels `given` (n,) with what is suggested for these rows."""
        labels = given.copy()
        for row in np.unique(self.rows):
            labels[row] = self.correct(labels[row], self.suggested[self.rows == row].tolist())
        return labels


@dataclass(frozen=True)
class Suspected:
    """Suspects of train and val. Test labels are left out: correcting them by a model's opinion would bias the test."""

    train: Suspects
    val: Suspects

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    @property
    def likely(self) -> int:
        """Number with a probability of at least LIKELY: the suspects of `assay audit`."""
        return int(sum((part.probability >= LIKELY).sum() for part in (self.train, self.val)))

    def first(self, count: int) -> Suspected:
        """The suspects of the `count` likeliest images of both splits, and of any that are equally likely."""
        ordered = np.sort(np.concatenate([self.train.best, self.val.best]))[::-1]
        least = float(ordered[min(count, len(ordered)) - 1]) if count and len(ordered) else np.inf
        return Suspected(self.train.of_images(least), self.val.of_images(least))


def suspected(data: LabelledData) -> Suspected:
    """Labels that were given once, down to the probability from which a review pays (POSSIBLE)."""
    found, correct = (_objects(data), _put_right(data)) if data.objects else (_classes(data), _replace)
    return Suspected(_of(found, correct, data, "train"), _of(found, correct, data, "val"))


def share_wrong(data: LabelledData, found: Suspected) -> WrongShare:
    """Share of wrong labels, or objects. That of objects has no interval: it is what the audit's model expects."""
    if data.says_classes or not data.objects:
        return share_of(data.judged)
    labels = np.concatenate([data.labels[split] for split in ("train", "val")])
    expected = float(found.train.probability.sum() + found.val.probability.sum())
    return WrongShare(min(1.0, expected / max(1, sum(map(len, annotations_of(labels.tolist()))))), 0.0, 1.0)


Found = tuple[str, Any, float, tuple[str, str]]
"""Image, what is suggested, probability, and both in words."""


def _classes(data: LabelledData) -> list[Found]:
    table = suspects(data.judged, POSSIBLE).sort_by([("probability", "descending"), ("id", "ascending")])
    known = table.filter(pc.is_in(table["suggested"], value_set=data.known))
    given = {sample: str(label) for split in ("train", "val") for sample, label in data.labelled(split)}
    columns = (known[name].to_pylist() for name in ("id", "suggested", "probability"))
    return [(sample, to, p, (given.get(sample, ""), to)) for sample, to, p in zip(*columns, strict=True)]


def _objects(data: LabelledData) -> list[Found]:
    flat = [row for rows in (data.objects or {}).values() for row in rows]
    return [
        (
            row["id"],
            correction(row),
            row["probability"],
            (row["given"] or NOTHING, row["suggested"] or NOTHING),
        )
        for row in sorted(flat, key=lambda row: (-row["probability"], row["id"]))
        if row["suggested"] is None or row["suggested"] in data.categories
    ]


def _replace(label: str, suggested: Sequence[Any]) -> str:
    return str(suggested[-1])


def _put_right(data: LabelledData) -> Correct:
    def put_right(label: str, suggested: Sequence[Any]) -> str:
        objects = annotations_of([label])[0]
        for one in suggested:
            try:
                objects = corrected(objects, [one])
            except LookupError:
                continue  # another correction of this draw has changed the object already
        text: str | None = data.plugin.label(objects)
        return label if text is None else text

    return put_right


def _of(found: Sequence[Found], correct: Correct, data: LabelledData, split: Split) -> Suspects:
    """Those of `found` in this split of the selection."""
    place = {sample: row for row, sample in enumerate(data.ids[split])}
    mine = [one for one in found if one[0] in place]
    suggested, words = np.empty(len(mine), object), np.empty((len(mine), 2), object)
    for k, (_, suggestion, _, said) in enumerate(mine):
        suggested[k], words[k] = suggestion, said
    rows = np.array([place[sample] for sample, *_ in mine], np.int64)
    return Suspects(rows, suggested, np.array([p for _, _, p, _ in mine], np.float64), words, correct)
