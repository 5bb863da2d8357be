"""The model of a round against that of an earlier round, paired on the test images that both were measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.data.files import read_json, read_table
from assay.data.matching import positions, whole
from assay.errors import RevisionError
from assay.experiments.predicted import Predicted
from assay.layout import Layout
from assay.lineage.revisions import checkout_dir
from assay.metrics.judged import compare
from assay.params import Params
from assay.tasks import shown_in

PREDICTIONS, SELECTION = "outputs/predictions.parquet", "data/selection"


def predicted_here(layout: Layout, task: str) -> Predicted:
    """Predictions of the model of the workspace."""
    return _predicted(layout.outputs / "predictions.parquet", layout.selection / "selection.json", task)


def predicted_at(commit: str, layout: Layout, task: str) -> Predicted | None:
    """Predictions at a commit; None if none were recorded, or they are in no cache or remote."""
    try:
        predictions = checkout_dir(commit, PREDICTIONS, layout.root)
        selection = checkout_dir(commit, SELECTION, layout.root)
    except RevisionError:
        return None
    return _predicted(predictions, selection / "selection.json", task)


def _predicted(predictions: Path, selection: Path, task: str) -> Predicted:
    table = read_table(predictions, made_by="evaluate")
    return Predicted(table, tuple(read_json(selection, made_by="select")["categories"]), task)


@dataclass(frozen=True)
class ModelPair:
    """Predictions of a later and of an earlier model."""

    new: Predicted
    old: Predicted

    def difference(self, metric: str, layout: Layout, params: Params) -> dict[str, Any] | None:
        """New − old of a metric: {"value", "low", "high", "n", "p_value"}; None without a common test image.

        Both are measured against the present labels.
        """
        ruler = read_table(layout.snapshot / "ruler.parquet", ["id", "label"], made_by="curate")
        ids = whole(ruler["id"])
        there = [positions(ids, whole(side.table["id"])) >= 0 for side in (self.new, self.old)]
        shared = ruler.filter(pa.array(there[0] & there[1])).combine_chunks()
        if not len(shared):
            return None
        labels = shared["label"].to_pylist()
        classes = list(
            dict.fromkeys([*self.new.categories, *self.old.categories, *shown_in(self.new.task, labels)])
        )
        new, old = (side.on(whole(shared["id"]), labels, classes) for side in (self.new, self.old))
        found: dict[str, Any] = compare(new, old, params.evaluate.bootstrap, params.seed)["difference"][
            metric
        ]
        return found
