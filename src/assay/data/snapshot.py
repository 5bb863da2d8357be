"""The snapshot: one version of the dataset. Content only, no storage location, sorted by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.files import read_json, read_table, write_json, write_table

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = pa.schema(
    {
        "id": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "mode": pa.string(),
        "format": pa.string(),
        "origins": pa.list_(pa.string()),
        "group": pa.string(),
        "captured_at": pa.string(),
        "metadata": pa.string(),
        "split": pa.string(),
        "labelled": pa.bool_(),
        "excluded": pa.bool_(),
    }
)
ANNOTATIONS = pa.schema(
    {
        "id": pa.string(),
        "index": pa.int32(),
        "category": pa.string(),
        "bbox": pa.list_(pa.float64()),
        "segmentation": pa.string(),
    }
)
MEANING = ("id", "group", "captured_at", "metadata", "split", "labelled", "excluded")
"""The columns the digest is taken over: not where an image came from, nor what its bytes say by themselves."""


@dataclass(frozen=True)
class Snapshot:
    """One dataset version: `samples` (SAMPLES, sorted by id), `annotations` (sorted by id, index), categories."""

    samples: pa.Table
    annotations: pa.Table
    categories: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> Snapshot:
        """Read the snapshot in a folder. MissingInput if there is none."""
        samples = read_table(path / "samples.parquet", made_by="curate")
        annotations = read_table(path / "annotations.parquet", made_by="curate")
        return cls(samples, annotations, tuple(read_json(path / "snapshot.json", "curate")["categories"]))

    def write(self, path: Path) -> None:
        """Write samples, annotations, the ruler and snapshot.json into a folder that is there."""
        write_table(path / "samples.parquet", self.samples.cast(SAMPLES))
        write_table(path / "annotations.parquet", self.annotations)
        write_table(path / "ruler.parquet", self.ruler)
        write_json(path / "snapshot.json", self.summary())

    def __len__(self) -> int:
        return int(self.samples.num_rows)

    def summary(self) -> dict[str, Any]:
        """Digest, categories and counts: the content of snapshot.json."""
        return {"digest": self.digest(), "categories": list(self.categories), "counts": self.counts()}

    @cached_property
    def _digest(self) -> str:
        state = hashlib.sha256("\x1f".join(self.categories).encode())
        for name, table in (
            ("samples", self.samples.select(MEANING).sort_by("id")),
            ("annotations", self.annotations.sort_by([("id", "ascending"), ("index", "ascending")])),
        ):
            for column in table.column_names:
                state.update(f"\x1e{name}.{column}\x1e{len(table)}\x1e".encode())
                _hash_column(state, table[column].combine_chunks())
        return state.hexdigest()

    def digest(self) -> str:
        """SHA-256 over the canonical content, 64 hex digits: independent of row order, storage and file format."""
        return self._digest

    def labels(self) -> dict[str, str]:
        """The category of each sample that has exactly one: what a classifier can learn from."""
        table = self.single_labels
        return dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))

    @cached_property
    def single_labels(self) -> pa.Table:
        """(id, label) of the samples with exactly one annotation, sorted by id."""
        ids = self.annotations["id"]
        counts = pc.value_counts(ids.combine_chunks())
        single = counts.field("values").filter(pc.equal(counts.field("counts"), 1))
        rows = self.annotations.filter(pc.is_in(ids, value_set=single))
        return pa.table({"id": rows["id"], "label": rows["category"]}).sort_by("id")

    @cached_property
    def annotation_text(self) -> pa.Array:
        """The annotations of each sample as one comparable text, null where nobody has looked: (n,)."""
        a = self.annotations
        boxes = pc.fill_null(pc.binary_join(pc.cast(a["bbox"], pa.list_(pa.string())), ","), "")
        text = pc.binary_join_element_wise(a["category"], boxes, pc.fill_null(a["segmentation"], ""), "|")
        return _gather(self._ids, a["id"], text, self.samples["labelled"])

    @cached_property
    def ruler(self) -> pa.Table:
        """What models are measured on: (id, label, metadata) of the labelled test samples, sorted by id."""
        s = self.samples
        test = s.filter(pc.and_(pc.equal(s["split"], "test"), pc.invert(s["excluded"]))).select(
            ["id", "metadata"]
        )
        joined = self.single_labels.join(test, "id", join_type="inner").sort_by("id")
        return joined.select(["id", "label", "metadata"]).combine_chunks()

    def to_pandas(self) -> pd.DataFrame:
        """One row a sample, with `label` where there is exactly one (None elsewhere)."""
        row_of_label = pc.index_in(self.samples["id"], value_set=self.single_labels["id"].combine_chunks())
        labels = self.single_labels["label"].take(row_of_label)
        frame: pd.DataFrame = self.samples.append_column("label", labels).to_pandas()
        return frame

    @property
    def _ids(self) -> pa.Array:
        return self.samples["id"].combine_chunks()

    def counts(self) -> dict[str, Any]:
        """How many: in all, excluded, and labelled and unlabelled for each split and class (excluded left out)."""
        kept = self.samples.filter(pc.invert(self.samples["excluded"]))
        tally = Counter(zip(kept["split"].to_pylist(), kept["labelled"].to_pylist(), strict=True))
        classes = Counter(self.annotations["category"].to_pylist())
        return {
            "samples": len(self),
            "excluded": len(self) - len(kept),
            "labelled": {split: tally[split, True] for split in ("train", "val", "test")},
            "unlabelled": {split: tally[split, False] for split in ("train", "val", "test")},
            "classes": {name: classes[name] for name in self.categories},
        }


def _hash_column(state: Any, column: pa.Array) -> None:
    """Feed a column's values, in a form that has no accidents of memory in it, to a hash."""
    if pa.types.is_list(column.type):
        state.update(pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False).tobytes())
        column = column.flatten()
    state.update(np.asarray(column.is_valid()).tobytes())
    if pa.types.is_string(column.type):
        text = pc.fill_null(column, "")
        state.update(pc.binary_length(text).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
        state.update("".join(text.to_pylist()).encode())
    else:
        values = pc.fill_null(column, pa.scalar(0).cast(column.type))
        state.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes())


def _gather(
    ids: pa.Array, keys: pa.ChunkedArray, text: pa.ChunkedArray, labelled: pa.ChunkedArray
) -> pa.Array:
    """Join the texts of each id, which stand next to each other, and put them in the order of `ids`."""
    rows = pc.index_in(keys, value_set=ids).to_numpy(zero_copy_only=False).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(ids)))]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), text.combine_chunks())
    return pc.if_else(labelled.combine_chunks(), pc.binary_join(lists, ";"), pa.scalar(None, pa.string()))
