"""The first difference between two tables, with id, column and values as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.files import read_table
from assay.experiments.reproduction.words import count, pair, short

FOLLOWS = {"quality": "predicted", "confidence": "probabilities"}
"""Columns that are functions of another one; not named in addition to it."""
CELLS = 2
"""Most columns shown of the first differing row."""
Mask = NDArray[np.bool_]


def first_difference(recorded: Path, now: Path, categories: Sequence[str] = ()) -> tuple[str, str]:
    """(first difference, extent) of two Parquet files; empty if the tables are equal."""
    return of_tables(read_table(recorded), read_table(now), categories)


def of_tables(old: pa.Table, new: pa.Table, categories: Sequence[str] = ()) -> tuple[str, str]:
    """Rows are compared by position; by id if the sets of rows differ. `categories` name probabilities."""
    if old.schema.remove_metadata() != new.schema.remove_metadata():
        return _of_schemas(old.schema, new.schema), ""
    if "id" in old.column_names and not old["id"].equals(new["id"]):
        first, extent = _of_ids(old, new)
        if first:
            return first, extent
        old, new = (table.sort_by("id") for table in (old, new))
        first, extent = _of_rows(old, new, categories)
        return (first, extent) if first else ("the same rows in another order", "")
    if len(old) != len(new):
        return f"{count(len(old), 'row')} recorded, {len(new):,} now", ""
    first, extent = _of_rows(old, new, categories)
    return (first, extent) if first else (_of_metadata(old.schema, new.schema), "")


def _of_schemas(old: pa.Schema, new: pa.Schema) -> str:
    for name in [*old.names, *(n for n in new.names if n not in old.names)]:
        if name not in new.names:
            return f"column {name}: recorded, not there now"
        if name not in old.names:
            return f"column {name}: not recorded, there now"
        if old.field(name).type != new.field(name).type:
            return f"column {name}: {old.field(name).type} recorded, {new.field(name).type} now"
    return f"columns in another order: {', '.join(old.names)} recorded, {', '.join(new.names)} now"


def _of_metadata(old: pa.Schema, new: pa.Schema) -> str:
    """Difference of the schema metadata: the digest of a training set, its categories."""
    a, b = ({k.decode(): v.decode() for k, v in (schema.metadata or {}).items()} for schema in (old, new))
    for key in sorted({*a, *b}):
        if a.get(key) != b.get(key):
            return f"metadata {key}: {pair(a.get(key), b.get(key))}"
    return ""


def _of_ids(old: pa.Table, new: pa.Table) -> tuple[str, str]:
    """Ids that only one table has; empty if both have the same ids in another order."""
    gone = old["id"].filter(pc.invert(pc.is_in(old["id"], value_set=new["id"].combine_chunks())))
    come = new["id"].filter(pc.invert(pc.is_in(new["id"], value_set=old["id"].combine_chunks())))
    if not len(gone) and not len(come):
        same = len(old) == len(new)
        return ("", "") if same else (f"{count(len(old), 'row')} recorded, {len(new):,} now", "")
    told = f"id {_brief(gone[0].as_py())} recorded, not there now" if len(gone) else (
        f"id {_brief(come[0].as_py())} not recorded, there now"
    )  # fmt: skip
    return told, f"{count(len(gone), 'row')} only recorded, {len(come):,} only now"


def _of_rows(old: pa.Table, new: pa.Table, categories: Sequence[str]) -> tuple[str, str]:
    masks = {name: _unequal(old[name], new[name]) for name in old.column_names}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    if not masks:
        return "", ""
    anywhere = np.logical_or.reduce(list(masks.values()))
    row = int(np.flatnonzero(anywhere)[0])
    here = [name for name, mask in masks.items() if mask[row]]
    named = [name for name in here if FOLLOWS.get(name) not in here] or here
    cells = [
        _cell(name, old[name][row].as_py(), new[name][row].as_py(), categories) for name in named[:CELLS]
    ]
    ids = f" (id {_brief(old['id'][row].as_py())})" if "id" in old.column_names else ""
    return f"row {row}{ids}: {'; '.join(cells)}", _extent(masks, anywhere, old, new)


def _cell(name: str, old: Any, new: Any, categories: Sequence[str]) -> str:
    """One value of both tables; of a list of numbers, the entry with the largest difference."""
    numbers = isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
    if not numbers or not all(isinstance(value, int | float) for value in [*old, *new]):
        return f"{name} {pair(old, new)}"
    at = max(range(len(old)), key=lambda n: abs(old[n] - new[n]))
    if name == "probabilities" and len(categories) == len(old):
        return f"probability of {short(categories[at])} {pair(old[at], new[at])}"
    return f"{name}[{at}] {pair(old[at], new[at])}"


def _extent(masks: dict[str, Mask], anywhere: Mask, old: pa.Table, new: pa.Table) -> str:
    text = f"{int(anywhere.sum()):,} of {count(len(anywhere), 'row')} differ, in {', '.join(masks)}"
    for name in sorted(masks, key=lambda column: column in FOLLOWS):
        if (gap := _gap(old[name], new[name])) is not None:
            return f"{text}; {name} by at most {gap:.2g}"
    return text


def _unequal(old: pa.ChunkedArray, new: pa.ChunkedArray) -> Mask:
    """(n,) which rows differ; null equals null, and NaN equals NaN."""
    a, b = _numbers(old), _numbers(new)
    if a is not None and b is not None and a.shape == b.shape:
        unequal: Mask = (a != b) & ~(np.isnan(a) & np.isnan(b))
        return unequal if unequal.ndim == 1 else np.asarray(unequal.any(axis=1))
    if not pa.types.is_nested(old.type):
        one_null = pc.not_equal(pc.is_null(old), pc.is_null(new))
        return np.asarray(pc.or_(pc.fill_null(pc.not_equal(old, new), False), one_null))
    pairs = zip(old.to_pylist(), new.to_pylist(), strict=True)
    return np.fromiter((one != other for one, other in pairs), np.bool_, len(old))


def _gap(old: pa.ChunkedArray, new: pa.ChunkedArray) -> float | None:
    """Largest difference of two columns of real numbers; None for other types."""
    kind = old.type.value_type if pa.types.is_list(old.type) else old.type
    a, b = _numbers(old), _numbers(new)
    if not pa.types.is_floating(kind) or a is None or b is None or a.shape != b.shape:
        return None
    gaps = np.abs(a - b)
    return float(np.nanmax(gaps)) if np.isfinite(gaps).any() else None


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64] | None:
    """(n,), or (n, k) for lists of equal length; None for other types, or with nulls."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of an empty table
        return None
    if array.null_count or not len(array):
        return None
    if pa.types.is_list(array.type):
        flat = _numbers(pa.chunked_array([array.flatten()])) if len(array.flatten()) else None
        lengths = np.diff(array.offsets.to_numpy())
        return None if flat is None or (lengths != lengths[0]).any() else flat.reshape(len(array), -1)
    if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
        return None
    found: NDArray[np.float64] = array.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 12 else f"{text[:12]}…"
