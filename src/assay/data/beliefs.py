"""Cache of a model's predictions: only images that are not in the cache are predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.files import read_table, recall, write_table

DECIMALS = 5
"""Decimals of stored floats. The last bits of a probability depend on the other images of the batch; rounded, a cached
prediction equals a new one."""

Predict = Callable[[list[str]], pa.Table]


def believed(ids: Sequence[str], file: Path, predict: Predict) -> pa.Table:
    """The predictions of `ids` (columns of the task), in their order. `predict` is called for the ids not in `file`.

    A file belongs to one model and may be deleted at any time. The files of other models in its folder are removed.
    """
    known = _read(file)
    new = _unknown(ids, known)
    if new or known is None:
        known = _append(known, new, predict(new))
        _forget_others(file)
        write_table(file, known)
    rows = pc.index_in(pa.array(ids, pa.string()), value_set=known["id"].combine_chunks())
    return known.take(rows).drop_columns("id")


def rounded(column: pa.Array) -> pa.Array:
    """A column with its floats, also those in lists, rounded to DECIMALS; other types unchanged."""
    kind = column.type
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(column.offsets, rounded(column.values), type=kind)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(rounded(column.values), type=kind)
    if not pa.types.is_floating(kind):
        return column
    return pa.array(np.round(column.to_numpy(zero_copy_only=False), DECIMALS), kind)


def _read(file: Path) -> pa.Table | None:
    """The cached table; None if it is missing or damaged."""
    known = recall(lambda: read_table(file))
    return known if known is not None and "id" in known.column_names else None


def _unknown(ids: Sequence[str], known: pa.Table | None) -> list[str]:
    if known is None:
        return list(ids)
    there = set(known["id"].to_pylist())
    return [sample for sample in ids if sample not in there]


def _append(known: pa.Table | None, ids: list[str], said: pa.Table) -> pa.Table:
    columns = {name: rounded(said[name].combine_chunks()) for name in said.column_names}
    new = pa.table({"id": pa.array(ids, pa.string()), **columns})
    return new if known is None else pa.concat_tables([known, new])


def _forget_others(file: Path) -> None:
    for other in file.parent.glob(f"*{file.suffix}"):
        if other != file:
            other.unlink()
