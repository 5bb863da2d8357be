"""The labels that are audited: those of training and validation images with exactly one label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.matching import positions, whole
from assay.data.snapshot import Snapshot
from assay.data.training_set import labelled

LEAST = 40
"""Least number of labels for an audit."""
MOST = 200_000_000
"""Largest labels × classes of an audit: it holds about ten tables of that many probabilities in memory."""


@dataclass(frozen=True)
class Labels:
    """n labels, sorted by id."""

    ids: list[str]
    splits: list[str]
    given: NDArray[np.int64]
    """(n,) numbers of `categories`."""
    groups: NDArray[np.int64]
    """(n,) number of the group; an image without a group is a group of its own."""
    categories: tuple[str, ...]
    """Classes with at least one label, sorted."""

    @property
    def can_be_judged(self) -> bool:
        return len(self.ids) >= LEAST and 2 <= len(self.categories) <= MOST // len(self.ids)

    def looks(
        self, answers: Mapping[str, tuple[str, str]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(m,) rows that people reviewed, the class that each had, and the class that it was given."""
        number = {category: k for k, category in enumerate(self.categories)}
        found = [
            (row, number[answers[sample][0]], number[answers[sample][1]])
            for row, sample in enumerate(self.ids)
            if sample in answers and number.keys() >= set(answers[sample])
        ]
        rows, had, given = np.array(found, np.int64).reshape(-1, 3).T
        return rows, had, given


def labels_of(snapshot: Snapshot) -> Labels:
    """Labels of train and val. Test labels are left out: correcting them by a model's opinion would bias the test."""
    rows = labelled(snapshot)
    rows = rows.filter(pc.not_equal(rows["split"], "test"))
    ids, categories = rows["id"].to_pylist(), sorted(pc.unique(rows["label"]).to_pylist())
    given = pc.index_in(rows["label"], value_set=pa.array(categories, pa.string()))
    numbers = group_numbers(snapshot.samples, ids)
    return Labels(
        ids, rows["split"].to_pylist(), given.to_numpy().astype(np.int64), numbers, tuple(categories)
    )


def group_numbers(samples: pa.Table, ids: Sequence[str]) -> NDArray[np.int64]:
    """(n,) group number of each id; an image without a group is a group of its own."""
    wanted = pa.array(ids, pa.string())
    found = positions(wanted, whole(samples["id"]))
    group = whole(samples["group"]).take(pa.array(found, mask=found < 0))
    keys = pc.if_else(
        pc.fill_null(pc.not_equal(group, ""), False), _marked("group ", group), _marked("image ", wanted)
    )
    numbers: NDArray[np.int64] = pc.rank(keys, tiebreaker="dense").to_numpy().astype(np.int64) - 1
    return numbers


def _marked(kind: str, names: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(kind), names, "")
