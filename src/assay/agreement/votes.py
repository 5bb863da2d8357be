"""Votes: what each person said last about each image, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.data.edits import SETTLES, Batches, is_of_person

Ints = NDArray[np.int64]

MOST = 60_000_000
"""Most people × classes², and votes × classes, of a consensus: the largest arrays, of which it holds some 20."""


@dataclass(frozen=True)
class Votes:
    """m votes of p people about n images; at most one of a person about an image, sorted by image and person."""

    ids: tuple[str, ...]
    """(n,) images with at least one vote, sorted."""
    people: tuple[str, ...]
    """(p,) sorted"""
    classes: tuple[str, ...]
    """(k,) classes with at least one vote, sorted."""
    images: Ints
    """(m,) place in `ids`"""
    persons: Ints
    """(m,) place in `people`"""
    labels: Ints
    """(m,) place in `classes`"""

    @cached_property
    def counts(self) -> Ints:
        """(n, k) votes for each class."""
        cells = self.images * len(self.classes) + self.labels
        flat = np.bincount(cells, minlength=len(self.ids) * len(self.classes))
        return flat.reshape(len(self.ids), -1).astype(np.int64)

    @cached_property
    def many(self) -> Ints:
        """(n,) votes about each image."""
        return np.bincount(self.images, minlength=len(self.ids)).astype(np.int64)

    def matrix(self) -> Ints:
        """(n, p) the class that each person gave; −1: none."""
        table = np.full((len(self.ids), len(self.people)), -1, np.int64)
        table[self.images, self.persons] = self.labels
        return table

    def of_images(self, keep: NDArray[np.bool_]) -> Votes:
        """The votes about some of the images, (n,); people and classes keep their places."""
        held = keep[self.images]
        place = np.cumsum(keep) - 1
        return Votes(
            tuple(sample for sample, kept in zip(self.ids, keep, strict=True) if kept),
            self.people,
            self.classes,
            place[self.images[held]],
            self.persons[held],
            self.labels[held],
        )


def last_words(batches: Batches, among: Container[str]) -> dict[str, dict[str, list[Annotation]]]:
    """{image: {person: the annotations they gave last}} of the images in `among`.

    Not a vote: an exclusion, which withdraws the person's label, and the settlement of a dispute, whose author saw the
    votes of the others. Nor is what a program wrote: a consensus, `assay audit --apply`.
    """
    found: dict[str, dict[str, list[Annotation]]] = {}
    for _, batch in batches:
        for one in batch:
            if one.id not in among or not is_of_person(one.by) or one.why.startswith(SETTLES):
                continue
            if one.op == "label":
                found.setdefault(one.id, {})[one.by] = list(one.annotations or ())
            elif one.op == "exclude" and one.id in found:
                found[one.id].pop(one.by, None)
    return {sample: said for sample, said in found.items() if said}


def votes_of(
    words: dict[str, dict[str, list[Annotation]]], label: Callable[[Sequence[Annotation]], str | None]
) -> Votes:
    """The votes in `words` that are a label to the task: `tasks.load(task).label`."""
    rows = [
        (sample, by, text)
        for sample, said in words.items()
        for by, notes in said.items()
        if (text := label(notes)) is not None
    ]
    return from_rows(rows)


def from_rows(rows: Iterable[tuple[str, str, str]]) -> Votes:
    """Votes from rows of (image, person, class)."""
    columns: Sequence[Sequence[str]] = list(zip(*sorted(rows), strict=True)) or [(), (), ()]
    (ids, images), (people, persons), (classes, labels) = (_numbered(column) for column in columns)
    return Votes(ids, people, classes, images, persons, labels)


def _numbered(values: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    names = tuple(sorted(set(values)))
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[value] for value in values], np.int64)
