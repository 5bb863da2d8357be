"""The metadata columns that came with the images: a JSON object of texts for each image."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.pool import side_table
from assay.errors import ParamsError
from assay.layout import Layout


def names(texts: pa.ChunkedArray) -> set[str]:
    """The columns that any image has."""
    return {name for text in pc.unique(texts).to_pylist() for name in json.loads(text or "{}")}


def listed(found: set[str]) -> str:
    return ", ".join(sorted(found)) or "none"


def check_columns(wanted: dict[str, list[str]], layout: Layout) -> None:
    """ParamsError for a column, by the param that names it, that no image of the pool has."""
    if not any(wanted.values()):
        return
    there = names(side_table(layout.pool, "imports")["metadata"])
    for param, columns in wanted.items():
        if unknown := sorted(set(columns) - there):
            raise ParamsError(
                f"{param}: no image has the metadata {', '.join(unknown)}",
                hint=f"the sources give: {listed(there)}; change {param} in params.yaml (what stands there at first is "
                "the demo's)",
            )
