"""Suspects of the label audit among the images of the advice, and simulated reviews of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.matching import positions, whole
from assay.data.suspects import LIKELY, POSSIBLE, suspects
from assay.experiments.advice.labelled_data import LabelledData

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Suspects:
    """Suspects of one split by falling probability."""

    rows: Ints
    suggested: Ints
    """(rows,) suggested class."""
    probability: Floats
    """(rows,) that the label is wrong."""

    def __len__(self) -> int:
        return len(self.rows)

    def above(self, least: float) -> Suspects:
        """Those with a probability of at least `least`."""
        return self.take(self.probability >= least)

    def take(self, chosen: NDArray[np.bool_]) -> Suspects:
        return Suspects(self.rows[chosen], self.suggested[chosen], self.probability[chosen])

    def found_wrong(self, rng: np.random.Generator) -> Suspects:
        """A draw of those that a review finds wrong, each with its probability."""
        return self.take(rng.random(len(self)) < self.probability)

    def corrected(self, given: Ints) -> Ints:
        """The labels `given` (n,) with the suggested class for these rows."""
        labels = given.copy()
        labels[self.rows] = self.suggested
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
        return len(self.train.above(LIKELY)) + len(self.val.above(LIKELY))

    def first(self, count: int) -> Suspected:
        """The `count` likeliest of both splits, and any that are equally likely."""
        ordered = np.sort(np.concatenate([self.train.probability, self.val.probability]))[::-1]
        least = float(ordered[min(count, len(ordered)) - 1]) if count and len(ordered) else np.inf
        return Suspected(self.train.above(least), self.val.above(least))


def suspected(data: LabelledData) -> Suspected:
    """Labels that were given once, down to the probability from which a review pays (POSSIBLE)."""
    found = suspects(data.judged, POSSIBLE).sort_by([("probability", "descending"), ("id", "ascending")])
    return Suspected(_of(found, data, "train"), _of(found, data, "val"))


def _of(found: pa.Table, data: LabelledData, split: Literal["train", "val"]) -> Suspects:
    """The rows of `found` in this split of the selection whose suggested class is one of its classes."""
    names = pa.array(data.categories, pa.string())
    rows = positions(whole(found["id"]), pa.array(data.ids[split], pa.string()))
    suggested = np.asarray(
        pc.fill_null(pc.index_in(whole(found["suggested"]), value_set=names), -1), np.int64
    )
    there = (rows >= 0) & (suggested >= 0)
    probability = np.asarray(found["probability"], np.float64)
    return Suspects(np.asarray(rows, np.int64), suggested, probability).take(there)
