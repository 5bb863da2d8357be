"""Data of the advice: the labelled train and val images of the selection, as ids and class numbers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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
    """`table`: train.parquet of the selection by id; class numbers are indices of `categories`."""

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
    """The label audit of train and val."""

    @cached_property
    def ids(self) -> dict[str, tuple[str, ...]]:
        """{split: ids}, sorted."""
        return {split: tuple(self._rows(split)["id"].to_pylist()) for split in ("train", "val")}

    @cached_property
    def targets(self) -> dict[str, NDArray[np.int64]]:
        """{split: class numbers (n,)}, in the order of the ids."""
        number = {name: k for k, name in enumerate(self.categories)}
        return {
            split: np.array([number[label] for label in self._rows(split)["label"].to_pylist()], np.int64)
            for split in ("train", "val")
        }

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


def open_labelled(layout: Layout) -> LabelledData:
    """Read the data. MissingInput names the stage to run; GateError the split with too few labels."""
    table = read_table(layout.selection / "train.parquet", made_by="select").sort_by("id").combine_chunks()
    selection = read_json(layout.selection / "selection.json", made_by="select")
    samples = read_table(layout.snapshot / "samples.parquet", made_by="curate")
    embeddings = Embeddings.open(layout.embeddings)
    check(table)
    judged = read_judged(layout.audit, ["id", "suggested", "probability", "looks"])
    kept = samples.filter(pc.invert(samples["excluded"]))
    open_ = pc.and_(pc.equal(kept["split"], "train"), pc.invert(kept["labelled"]))
    train = table.filter(pc.equal(table["split"], "train"))["id"].to_pylist()
    return LabelledData(
        table=table,
        categories=tuple(json.loads(table.schema.metadata[b"categories"])),
        digest=str(selection["digest"]),
        groups=group_numbers(samples, train),
        unlabelled=int(pc.sum(open_).as_py() or 0),
        ruler_queue=int(selection["queue"].get("ruler", 0)),
        embeddings=embeddings,
        judged=judged,
    )


def check(table: pa.Table) -> None:
    """GateError with fewer than two classes, or too few labels to train or to measure."""
    labels = {
        split: table.filter(pc.equal(table["split"], split))["label"].to_pylist()
        for split in ("train", "val")
    }
    classes = Counter(labels["train"])
    if len(classes) < 2:
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
