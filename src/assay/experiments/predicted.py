"""Predictions of a version, read from predictions.parquet by its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from assay import plugins
from assay.data.matching import positions, whole
from assay.experiments.corner_metrics import CornerOutcome
from assay.metrics.judged import Judged


@dataclass(frozen=True)
class Predicted:
    """predictions.parquet of a version, the classes of its model in order, and its task."""

    table: pa.Table
    categories: tuple[str, ...]
    task: str

    def on(self, ids: pa.Array, labels: list[str], categories: Sequence[str]) -> Judged:
        """Predictions of the samples `ids`, judged against `labels`, with the classes `categories`."""
        return self._judged(
            self.table.take(pa.array(positions(ids, whole(self.table["id"])))), labels, categories
        )

    def on_test(self, categories: Sequence[str]) -> CornerOutcome:
        """Predictions of its own test samples, with the classes `categories`."""
        rows = self.table.filter(pc.equal(self.table["split"], "test"))
        judged = self._judged(rows, rows["label"].to_pylist(), categories)
        return CornerOutcome(rows["id"].to_pylist(), judged)

    def _judged(self, rows: pa.Table, labels: list[str], categories: Sequence[str]) -> Judged:
        judged: Judged = plugins.load("metrics", self.task).judge(rows, self.categories, labels, categories)
        return judged
