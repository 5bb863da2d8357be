"""Metadata columns of the images, given by the sources: a JSON object of texts for each image."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.pool import side_table
from assay.errors import ParamsError
from assay.layout import Layout


def names(texts: pa.ChunkedArray) -> set[str]:
    """The columns that at least one image has."""
    return {name for text in pc.unique(texts).to_pylist() for name in json.loads(text or "{}")}


def listed(found: set[str]) -> str:
    return ", ".join(sorted(found)) or "none"


def check_columns(wanted: dict[str, list[str]], layout: Layout) -> None:
    """ParamsError if no image of the pool has a column of `wanted`, a map from param to the columns that it names."""
    if not any(wanted.values()):
        return
    there = names(side_table(layout.pool, "imports")["metadata"])
    for param, columns in wanted.items():
        if unknown := sorted(set(columns) - there):
            raise ParamsError(
                f"{param}: no image has the metadata {', '.join(unknown)}",
                hint=f"columns of the sources: {listed(there)}; change {param} in params.yaml (its first value is "
                "that of the demo)",
            )
