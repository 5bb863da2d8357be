"""What the champion says about images of the pool, remembered: only new images cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from assay import plugins
from assay.data.beliefs import believed
from assay.data.champion import Champion, champion_model
from assay.data.files import read_json
from assay.layout import Layout
from assay.metrics.judged import Judged
from assay.progress import Progress
from assay.training.predict import predict_ids

BATCH = 256
"""Images the champion sees at once: a constant, so that it is not one more parameter the queue depends on."""


@dataclass(frozen=True)
class AskedChampion:
    """The model of the champion."""

    champion: Champion
    memory: Path
    """File of what it has said: one for each model and code."""
    layout: Layout
    progress: Progress

    @cached_property
    def folder(self) -> Path:
        return champion_model(self.layout.champion, self.champion)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes that it knows."""
        return tuple(read_json(self.folder / "model.json", made_by="train")["categories"])

    def believe(self, ids: Sequence[str]) -> pa.Table:
        """The task's columns of what it says."""

        def predict(new: list[str]) -> pa.Table:
            return predict_ids(self.folder, new, self.layout, BATCH, self.progress)[0]

        return believed(ids, self.memory, predict)

    def judged(self, task: str, rows: pa.Table, categories: Sequence[str]) -> Judged:
        """What it says compared with the labels of images: rows of id and label, the labels among `categories`."""
        every = tuple(dict.fromkeys((*self.classes, *categories)))
        said, labels = self.believe(rows["id"].to_pylist()), rows["label"].to_pylist()
        found: Judged = plugins.load("metrics", task).judge(said, self.classes, labels, every)
        return found
