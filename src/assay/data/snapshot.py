"""The snapshot: one version of the dataset. Content only, no storage location, sorted by id."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.annotations import Annotation, from_columns
from assay.data.files import read_json, read_table, write_json, write_table
from assay.data.matching import Rows, positions, whole

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
        "iscrowd": pa.bool_(),
        "attributes": pa.string(),
    }
)
RARE: dict[str, Any] = {"iscrowd": False, "attributes": None}
"""Column -> default. The digest omits a column of defaults only, as files of earlier versions lack the column."""
Label = Callable[[Sequence[Annotation]], str | None]
"""Annotations of a sample -> its label for a task, as text; None: the sample is not labelled for the task."""
MEANING = ("id", "group", "captured_at", "metadata", "split", "labelled", "excluded")
"""Columns of the digest: without origins, and without the columns that the bytes of the image determine."""


def one_category(annotations: Sequence[Annotation]) -> str | None:
    """The category of a sample with exactly one annotation: the label of classification."""
    return annotations[0].category if len(annotations) == 1 else None


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
        return cls(
            samples,
            _with_all_columns(annotations),
            tuple(read_json(path / "snapshot.json", "curate")["categories"]),
        )

    def write(self, path: Path, label: Label = one_category) -> None:
        """Write samples, annotations, the ruler and snapshot.json into an existing folder."""
        write_table(path / "samples.parquet", self.samples.cast(SAMPLES))
        write_table(path / "annotations.parquet", self.annotations)
        write_table(path / "ruler.parquet", self.ruler(label))
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
            ("annotations", self._told.sort_by([("id", "ascending"), ("index", "ascending")])),
        ):
            for column in table.column_names:
                state.update(f"\x1e{name}.{column}\x1e{len(table)}\x1e".encode())
                _hash_column(state, table[column].combine_chunks())
        return state.hexdigest()

    @property
    def _told(self) -> pa.Table:
        """The annotations without columns of RARE that contain defaults only."""
        notes = self.annotations
        return notes.drop_columns([name for name in RARE if _is_usual(notes, name)])

    def digest(self) -> str:
        """SHA-256 over the canonical content, 64 hex digits: independent of row order, storage and file format."""
        return self._digest

    def labels(self) -> dict[str, str]:
        """Id -> category of the samples with exactly one annotation."""
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

    def labelled_by(self, label: Label) -> pa.Table:
        """(id, label) of the samples for which `label` is not None, sorted by id."""
        if label is one_category:
            return self.single_labels
        labels = {sample: label(notes) for sample, notes in self.annotations_of(self.ids.to_pylist()).items()}
        kept = sorted((sample, text) for sample, text in labels.items() if text is not None)
        columns = [pa.array([row[k] for row in kept], pa.string()) for k in (0, 1)]
        return pa.table(columns, names=["id", "label"])

    def annotations_of(self, ids: Sequence[str]) -> dict[str, list[Annotation]]:
        """Id -> annotations of the labelled ones of `ids`; [] for a sample without objects."""
        samples, wanted = self.samples, set(ids)
        looked_at = samples["id"].filter(samples["labelled"]).to_pylist()
        held: dict[str, list[Annotation]] = {sample: [] for sample in looked_at if sample in wanted}
        columns = (self.annotations[name].to_pylist() for name in ANNOTATIONS.names)
        for sample, _, *row in sorted(zip(*columns, strict=True), key=_place):
            if sample in held:
                held[sample].append(from_columns(tuple(row)))
        return held

    @cached_property
    def ids(self) -> pa.Array:
        return whole(self.samples["id"])

    @cached_property
    def annotated(self) -> Rows:
        """(annotations,) the row of `samples` of each annotation."""
        return positions(whole(self.annotations["id"]), self.ids)

    @cached_property
    def notes(self) -> pa.DictionaryArray:
        """(n,) the annotations of each sample as one text: `cat`, with boxes `cat 0,0,8,8; dog 4,0,4,4`.

        Null for an unlabelled sample, "" for a labelled one without objects.
        """
        a = self.annotations
        is_tags = a["bbox"].null_count == a["segmentation"].null_count == len(a)
        is_tags = is_tags and all(_is_usual(a, name) for name in RARE)
        if is_tags and np.all(np.diff(self.annotated) > 0):
            text = whole(a["category"]).dictionary_encode()
            rows = np.full(len(self), -1, np.int64)
            rows[self.annotated] = np.arange(len(a))
        else:
            text, rows = (
                _gather(self.annotated, _written(a), len(self)).dictionary_encode(),
                np.arange(len(self)),
            )
        return _looked_at(text, rows, self.samples["labelled"])

    @cached_property
    def words(self) -> pa.DictionaryArray:
        """(n,) `notes` in short, for people: samples with objects as counts by category, `12 cell, 1 dust`."""
        objects = pc.or_(*(pc.is_valid(self.annotations[name]) for name in ("bbox", "segmentation")))
        if not pc.any(objects).as_py():
            return self.notes
        said = self.notes.cast(pa.string()).to_pylist()
        names = self.annotations["category"].to_pylist()
        counts: dict[int, Counter[str]] = {}
        for row, name in zip(self.annotated.tolist(), names, strict=True):
            counts.setdefault(row, Counter())[name] += 1
        for row in np.unique(self.annotated[objects.to_numpy()]).tolist():
            said[row] = ", ".join(f"{n} {name}" for name, n in sorted(counts[row].items()))
        return pa.array(said, pa.string()).dictionary_encode()

    def ruler(self, label: Label = one_category) -> pa.Table:
        """The test set: (id, label, metadata) of the labelled test samples that are not excluded, sorted by id."""
        s = self.samples
        return self.measurable(pc.and_(pc.equal(s["split"], "test"), pc.invert(s["excluded"])), label)

    def measurable(self, chosen: pa.ChunkedArray, label: Label = one_category) -> pa.Table:
        """(id, label, metadata) of the samples that are labelled and chosen (n,) bool, sorted by id."""
        rows = self.samples.filter(chosen).select(["id", "metadata"])
        joined = self.labelled_by(label).join(rows, "id", join_type="inner").sort_by("id")
        return joined.select(["id", "label", "metadata"]).combine_chunks()

    def to_pandas(self) -> pd.DataFrame:
        """One row per sample; `label`: the category of its only annotation, otherwise None."""
        row_of_label = pc.index_in(self.samples["id"], value_set=whole(self.single_labels["id"]))
        labels = self.single_labels["label"].take(row_of_label)
        frame: pd.DataFrame = self.samples.append_column("label", labels).to_pandas()
        return frame

    def counts(self) -> dict[str, Any]:
        """Number of samples, of excluded ones, of labelled and unlabelled ones by split, of annotations by class.

        The counts by split omit excluded samples.
        """
        kept = self.samples.filter(pc.invert(self.samples["excluded"]))
        groups = kept.group_by(["split", "labelled"]).aggregate([([], "count_all")])
        columns = (groups[name].to_pylist() for name in ("split", "labelled", "count_all"))
        tally = Counter({(split, labelled): n for split, labelled, n in zip(*columns, strict=True)})
        found = pc.value_counts(self.annotations["category"]).to_pylist()
        classes = Counter({row["values"]: row["counts"] for row in found})
        return {
            "samples": len(self),
            "excluded": len(self) - len(kept),
            "labelled": {split: tally[split, True] for split in ("train", "val", "test")},
            "unlabelled": {split: tally[split, False] for split in ("train", "val", "test")},
            "classes": {name: classes[name] for name in self.categories},
        }


def _with_all_columns(annotations: pa.Table) -> pa.Table:
    """The annotations with the columns of RARE that a file of an earlier version of assay lacks."""
    for name in (name for name in RARE if name not in annotations.column_names):
        usual = pa.scalar(RARE[name], ANNOTATIONS.field(name).type)
        annotations = annotations.append_column(name, pa.repeat(usual, len(annotations)))
    return annotations


def _is_usual(annotations: pa.Table, name: str) -> bool:
    """Whether a column contains only its default, see RARE."""
    column = annotations[name]
    if RARE[name] is None:
        return bool(column.null_count == len(column))
    return not pc.any(pc.not_equal(column, RARE[name])).as_py()


def _place(row: tuple[Any, ...]) -> tuple[str, int]:
    return row[0], row[1]


def _hash_column(state: Any, column: pa.Array) -> None:
    """Update a hash with the values of a column, independently of its chunks, offsets and values under nulls."""
    if pa.types.is_list(column.type):
        state.update(pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False).tobytes())
        column = column.flatten()
    state.update(np.asarray(column.is_valid()).tobytes())
    if pa.types.is_string(column.type):
        text = pc.fill_null(column, "")
        state.update(pc.binary_length(text).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
        state.update(_bytes_of(text))
    else:
        values = pc.fill_null(column, pa.scalar(0).cast(column.type))
        state.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes())


def _bytes_of(text: pa.Array) -> memoryview | bytes:
    """The texts of an array, concatenated, in UTF-8; a view of its memory."""
    _, offsets, data = text.buffers()
    if data is None or not len(text):
        return b""
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]


def _written(annotations: pa.Table) -> pa.Array:
    """Each annotation as one text: category, and where given box, outline, `crowd`, attributes."""
    boxes = pc.binary_join(pc.cast(annotations["bbox"], pa.list_(pa.string())), ",")
    crowd = pc.if_else(annotations["iscrowd"], "crowd", pa.scalar(None, pa.string()))
    parts = (annotations["category"], boxes, annotations["segmentation"], crowd, annotations["attributes"])
    return pc.binary_join_element_wise(*parts, " ", null_handling="skip").combine_chunks()


def _gather(rows: Rows, texts: pa.Array, n: int) -> pa.Array:
    """(n,) the texts of each row, joined in their order; `rows` (texts,): the row of each text."""
    order = np.argsort(rows, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), texts.take(pa.array(order))), "; ")


def _looked_at(text: pa.DictionaryArray, rows: Rows, labelled: pa.ChunkedArray) -> pa.DictionaryArray:
    """`text` in the order of `rows`; "" where a row is −1, null where `labelled` is false."""
    codes = np.append(text.indices.to_numpy(zero_copy_only=False).astype(np.int32), -1)[rows]
    words, nothing = text.dictionary, np.int32(len(text.dictionary))
    if (empty := pc.index(words, "").as_py()) >= 0:
        nothing = np.int32(empty)
    else:
        words = pa.concat_arrays([words, pa.array([""], pa.string())])
    mask = ~labelled.to_numpy().astype(bool)
    return pa.DictionaryArray.from_arrays(pa.array(np.where(codes < 0, nothing, codes), mask=mask), words)
