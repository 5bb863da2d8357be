"""Data of the advice: the labelled train and val images of the selection, as ids and labels."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay import tasks
from assay.data import object_suspects
from assay.data.edits import read_batches
from assay.data.embeddings import Embeddings
from assay.data.files import read_json, read_table
from assay.data.suspects import read_judged
from assay.data.training_set import drawn_order
from assay.errors import GateError
from assay.labels.labels import group_numbers
from assay.layout import Layout

LEAST_TRAIN, LEAST_VAL = 40, 30
"""Least numbers of labelled images: for a curve that begins at a quarter of them, and for gains of a few per cent."""
MOST_VAL = 5000
"""Most val images used: the noise of the seeds is larger than theirs by then."""
QUEUE_HINT = "`assay queue` lists the next ones to label; then `assay label FILE` and `dvc repro`"


@dataclass(frozen=True)
class LabelledData:
    """`table`: train.parquet of the selection by id; labels are those of the task, as text."""

    task: str
    table: pa.Table
    categories: tuple[str, ...]
    digest: str
    groups: NDArray[np.int64]
    """(train,) number of the group; images of one group are in the same fold."""
    unlabelled: int
    """Train images without a label, not excluded."""
    ruler_queue: int
    """Val and test images that the queue asks for before training images."""
    embeddings: Embeddings
    judged: pa.Table
    """The label audit of train and val; empty for tasks whose labels are no classes."""
    objects: dict[str, list[dict[str, Any]]] | None
    """{id: suspected objects or regions} of the last `assay audit`; None: it did not judge the labels of train."""

    @cached_property
    def ids(self) -> dict[str, tuple[str, ...]]:
        """{split: ids}, sorted."""
        return {split: tuple(self._rows(split)["id"].to_pylist()) for split in ("train", "val")}

    @cached_property
    def labels(self) -> dict[str, NDArray[np.object_]]:
        """{split: labels (n,)}, in the order of the ids."""
        return {split: np.array(self._rows(split)["label"].to_pylist(), object) for split in ("train", "val")}

    def numbers(self, labels: NDArray[np.object_]) -> NDArray[np.int64]:
        """Class numbers of labels that are classes: indices of `categories`."""
        number = {name: k for k, name in enumerate(self.categories)}
        return np.array([number[label] for label in labels], np.int64)

    @cached_property
    def strata(self) -> NDArray[np.int64]:
        """(train,) class number; 0 where a label is more than a class: subsets are drawn in these proportions."""
        labels = self.labels["train"]
        return self.numbers(labels) if self.says_classes else np.zeros(len(labels), np.int64)

    @property
    def known(self) -> pa.Array:
        """The classes, as an array to look up in."""
        return pa.array(self.categories, pa.string())

    def labelled(self, split: str) -> list[tuple[str, str]]:
        """(id, label) of the images of a split."""
        return list(zip(self.ids[split], self.labels[split].tolist(), strict=True))

    @property
    def plugin(self) -> ModuleType:
        return tasks.load(self.task)

    @property
    def says_classes(self) -> bool:
        return bool(self.plugin.SAYS_CLASSES)

    @property
    def audited(self) -> bool:
        """Whether some audit has judged these labels."""
        return len(self.judged) > 0 if self.says_classes else self.objects is not None

    @cached_property
    def measured(self) -> NDArray[np.int64]:
        """Rows of val that gains are measured on: all, or MOST_VAL of them chosen by a hash of the id."""
        ids = self.ids["val"]
        chosen = set(drawn_order(ids, 0, "advise")[:MOST_VAL])
        return np.array([row for row, sample in enumerate(ids) if sample in chosen], np.int64)

    def vectors(self, split: str) -> NDArray[np.float32]:
        return self.embeddings.vectors(self.ids[split])

    def _rows(self, split: str) -> pa.Table:
        return self.table.filter(pc.equal(self.table["split"], split))


def open_labelled(layout: Layout, task: str = "classification") -> LabelledData:
    """Read the data. MissingInput names the stage to run; GateError the split with too few labels."""
    table = read_table(layout.selection / "train.parquet", made_by="select").sort_by("id").combine_chunks()
    selection = read_json(layout.selection / "selection.json", made_by="select")
    samples = read_table(layout.snapshot / "samples.parquet", made_by="curate")
    embeddings = Embeddings.open(layout.embeddings)
    check(table, task)
    judged = read_judged(layout.audit, ["id", "suggested", "probability", "looks"])
    kept = samples.filter(pc.invert(samples["excluded"]))
    open_ = pc.and_(pc.equal(kept["split"], "train"), pc.invert(kept["labelled"]))
    train = table.filter(pc.equal(table["split"], "train"))["id"].to_pylist()
    return LabelledData(
        task=task,
        table=table,
        categories=tuple(json.loads(table.schema.metadata[b"categories"])),
        digest=str(selection["digest"]),
        groups=group_numbers(samples, train),
        unlabelled=int(pc.sum(open_).as_py() or 0),
        ruler_queue=int(selection["queue"].get("ruler", 0)),
        embeddings=embeddings,
        judged=judged,
        objects=_suspected_objects(layout, task),
    )


def _suspected_objects(layout: Layout, task: str) -> dict[str, list[dict[str, Any]]] | None:
    """Those that nobody has reviewed; None if there can be none, or the last audit did not judge train."""
    judged = object_suspects.judged_splits(layout)
    if "train" not in judged or not (tasks.has_objects(task) or tasks.outlines(task)):
        return None
    digest = read_json(layout.snapshot / "snapshot.json", made_by="curate")["digest"]
    return object_suspects.unreviewed(layout, read_batches(layout.edits), digest)


def check(table: pa.Table, task: str) -> None:
    """GateError with too few labels to train or to measure, or fewer than two classes to tell apart."""
    labels = {
        split: table.filter(pc.equal(table["split"], split))["label"].to_pylist()
        for split in ("train", "val")
    }
    classes = Counter(labels["train"])
    if tasks.load(task).SAYS_CLASSES and len(classes) < 2:
        seen = (
            f"only {next(iter(classes))!r} has labelled training images"
            if classes
            else "no training image has a label"
        )
        raise GateError(f"{seen}: advice needs at least two classes", hint=QUEUE_HINT)
    for split, least, why in (
        ("train", LEAST_TRAIN, "a learning curve needs"),
        ("val", LEAST_VAL, "gains are measured on val, which needs"),
    ):
        if (n := len(labels[split])) < least:
            raise GateError(f"{n} labelled {split} images: {why} at least {least}", hint=QUEUE_HINT)
