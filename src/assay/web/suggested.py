"""Objects that the champion sees on images without labels: suggestions, to accept or to correct in the editor.

They are the predictions that `assay select` keeps to choose the queue; nothing is predicted here. Of a detector, those
from the score on at which it expects the best F1. Test and val images get none: people agree with a model they see,
which would bias what is measured on these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from assay.data.champion import champion_model, read_champion
from assay.data.files import read_json, recall
from assay.errors import AssayError
from assay.layout import Layout

Suggested = dict[str, Any]
"""An annotation as JSON, and `score` where the model has one."""


class Suggestions:
    """Those of the present champion, read as they are asked for."""

    def __init__(self, layout: Layout) -> None:
        self.file, self.categories = _memory(layout)

    def of(self, ids: Sequence[str]) -> dict[str, list[Suggested]]:
        """{content id: objects}, of the images of `ids` that were predicted."""
        if self.file is None or not ids:
            return {}
        file, wanted = self.file, list(ids)
        table = recall(lambda: pq.read_table(file, filters=[("id", "in", wanted)]))
        rows = [] if table is None else table.to_pylist()
        return {row["id"]: objects_of(row, self.categories) for row in rows}


def _memory(layout: Layout) -> tuple[Path | None, Sequence[str]]:
    """The predictions of the champion and its classes; without one, or without predictions, None."""
    from assay.stages.select import memory

    try:
        champion = read_champion(layout.champion)
        if champion is None or not (file := memory(layout, champion)).exists():
            return None, ()
        about = read_json(champion_model(layout.champion, champion) / "model.json", made_by="train")
    except AssayError:  # such as weights that are not there: what is judged does not depend on suggestions
        return None, ()
    return file, about["categories"]


def objects_of(row: Mapping[str, Any], categories: Sequence[str]) -> list[Suggested]:
    """The objects of a row of predictions, in the columns of its task."""
    from assay.tasks.detection import best_size

    scores, boxes, counts = (row.get(name) for name in ("scores", "boxes", "masks"))
    shown = len(row["classes"]) if scores is None else best_size(np.asarray(scores, np.float32))[0]
    made = []
    for n, number in enumerate(row["classes"][:shown]):
        one: Suggested = {"category": categories[number]}
        if counts is not None:
            one["segmentation"] = {"size": [row["height"], row["width"]], "counts": counts[n]}
        elif boxes is not None:
            one["bbox"] = list(boxes[n])
        made.append(one if scores is None else {**one, "score": scores[n]})
    return made
