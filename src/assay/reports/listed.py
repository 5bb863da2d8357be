"""A table as JSON columns for the script of a page, which shows, filters and sorts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.matching import whole

Found = dict[str, Any]


def listed(
    table: pa.Table,
    bits: NDArray[np.int64],
    kinds: Sequence[str],
    words: Sequence[str],
    values: Sequence[str],
    chosen: NDArray[np.bool_],
    pictures: dict[str, str],
) -> Found:
    """Columns for the script of a page, rows with a picture first; the columns `words` are dictionary-encoded."""
    ids = table["id"].to_pylist()
    has = np.array([bool(c) and i in pictures for i, c in zip(ids, chosen.tolist(), strict=True)], bool)
    order = np.argsort(~has, kind="stable")
    ordered = table.take(pa.array(order))
    names, columns = _coded(ordered, words)
    sample_ids = ordered["id"].to_pylist()
    pictured = int(has.sum())
    return {
        "n": len(table),
        "kinds": [{"name": kind, "count": int((bits >> bit & 1).sum())} for bit, kind in enumerate(kinds)],
        "ids": ",".join(sample_ids),
        "bits": bits[order].tolist(),
        "words": names,
        "columns": columns,
        "values": {name: ordered[name].to_pylist() for name in values},
        "pictures": [pictures[sample] for sample in sample_ids[:pictured]],
        "pictured": pictured,
    }


def _coded(table: pa.Table, columns: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, list[int]]]:
    """Dictionary encoding of each column: sorted values, and indices with −1 for null."""
    words: dict[str, list[str]] = {}
    codes: dict[str, list[int]] = {}
    for name in columns:
        column = whole(table[name])
        words[name] = sorted(pc.unique(column.drop_null()).to_pylist())
        found = pc.index_in(column, value_set=pa.array(words[name], pa.string()))
        codes[name] = pc.fill_null(found, -1).to_pylist()
    return words, codes
