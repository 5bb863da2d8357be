"""The audit: what is odd about a dataset version. Nothing here stops the pipeline: that is for `assay.gates`.

A check is one file with

    check(context) -> table     FINDINGS, at most one row for each id and related
    LIMITS: dict[str, float]    optional: thresholds by name and their defaults, set by `audit.limits`
    detail(context) -> table    optional: all that was measured, kept as data/audit/<check>.parquet

A finding on a class or a split rather than on an image has the id "". Excluded samples are looked at by no check.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.edits import answers_to
from assay.data.embeddings import Embeddings
from assay.data.version import Version
from assay.label_audit.labels import Labels, labels_of

if TYPE_CHECKING:
    from assay.label_audit.judge import Judged


@dataclass(frozen=True)
class Stored:
    """The vectors of some images, read from the files as they are asked for."""

    embeddings: Embeddings
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.embeddings.at(self.rows[rows])


@dataclass(frozen=True)
class Context(Version):
    """What a check may look at."""

    embeddings: Embeddings
    seed: int
    """Of everything that is drawn."""
    limits: dict[str, float]
    """The LIMITS of all checks, with those of params over the defaults."""

    @cached_property
    def labels(self) -> Labels:
        """Of the training and validation images with one label: what the audit of labels starts from."""
        return labels_of(self.snapshot)

    @cached_property
    def judged_labels(self) -> Judged | None:
        """What the label audit says of `labels`; None where there is too little to say anything."""
        return self.judge_labels() if self.labels.can_be_judged else None

    def judge_labels(self, model: NDArray[np.float64] | None = None) -> Judged:
        """The same with the opinion of a model, (n, k), that has not learnt from them."""
        from assay.label_audit.judge import judge
        from assay.label_audit.measured import answers, measured

        held, most = self.labels, int(self.limits["label_teachers"])
        pa.default_memory_pool().release_unused()  # Arrow keeps what reading the tables took
        stored = Stored(self.embeddings, self.embeddings.rows(held.ids))
        judged = judge(stored, held.given, held.groups, len(held.categories), self.seed, most, model)
        return measured(judged, *held.looks(answers(self.batches)))

    @cached_property
    def ranked_labels(self) -> pa.Table:
        """RANKED: every label that was judged, the likeliest to be wrong first."""
        from assay.label_audit.table import RANKED

        return RANKED.empty_table() if self.judged_labels is None else self.rank(self.judged_labels)

    def rank(self, judged: Judged) -> pa.Table:
        """RANKED, of what was said of `labels`."""
        from assay.label_audit.table import ranked

        held = self.labels
        answers, labels = answers_to(self.batches), answers_to(self.batches, ["label"])
        given = self.imports.filter(pc.is_valid(self.imports["annotations"]))["id"]
        by_source = set(given.to_pylist())
        looks = [labels[sample] + (sample in by_source) for sample in held.ids]
        before, limit = [answers[sample] for sample in held.ids], self.limits["outlier"]
        return ranked(judged, held.ids, held.splits, held.categories, looks, before, limit)
