"""What a model believes about images, kept from one call to the next: only new images cost anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.files import read_table, recall, write_table

DECIMALS = 5
"""Rounded, as the last bits of a probability depend on which images shared its batch: the same image
shall have the same probabilities whether it was predicted today or is remembered."""


@dataclass(frozen=True)
class Beliefs:
    """A model's probabilities, (n, classes) float32, in the order of `categories`."""

    categories: tuple[str, ...]
    probabilities: NDArray[np.float32]


Predict = Callable[[list[str]], Beliefs]
CATEGORIES = b"categories"


def believed(ids: Sequence[str], file: Path, predict: Predict) -> Beliefs:
    """The beliefs about `ids`, in their order. `predict` is asked for those that `file` does not hold yet.

    One file belongs to one model and can be lost at any time; other models' files beside it are removed.
    """
    known = _read(file)
    new = _unknown(ids, known)
    if new or known is None:
        known = _append(known, new, predict(new))
        _forget_others(file)
        write_table(file, known)
    rows = pc.index_in(pa.array(ids, pa.string()), value_set=known["id"].combine_chunks())
    matrix = np.stack([column.to_numpy() for column in known.columns[1:]], axis=1)
    categories = tuple(json.loads(known.schema.metadata[CATEGORIES]))
    return Beliefs(categories, matrix[rows.to_numpy(zero_copy_only=False).astype(np.int64)])


def _read(file: Path) -> pa.Table | None:
    """What is remembered; None if there is nothing, or nothing that can be read: it is only a cache."""
    known = recall(lambda: read_table(file))
    usable = known is not None and "id" in known.column_names and CATEGORIES in (known.schema.metadata or {})
    return known if usable else None


def _unknown(ids: Sequence[str], known: pa.Table | None) -> list[str]:
    if known is None:
        return list(ids)
    there = set(known["id"].to_pylist())
    return [sample for sample in ids if sample not in there]


def _append(known: pa.Table | None, ids: list[str], beliefs: Beliefs) -> pa.Table:
    columns = beliefs.probabilities.round(DECIMALS).astype(np.float32).T
    numbered = {str(k): column for k, column in enumerate(columns)}
    metadata = {CATEGORIES: json.dumps(beliefs.categories).encode()}
    new = pa.table({"id": pa.array(ids, pa.string()), **numbered}).replace_schema_metadata(metadata)
    return new if known is None else pa.concat_tables([known, new])


def _forget_others(file: Path) -> None:
    for other in file.parent.glob(f"*{file.suffix}"):
        if other != file:
            other.unlink()
