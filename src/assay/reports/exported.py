"""CSV files for people, with their images in a folder beside them.

    to-label.csv
    to-label-images/3f2a9c01d4be.jpg     the original file, named by the first digits of the id

The column `image` has the path relative to the table. Existing files of the folder are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.files import write_bytes
from assay.data.labelfile import to_fill_in
from assay.data.pool import Pool
from assay.errors import MissingInput
from assay.layout import Layout
from assay.reports.destinations import check_file, is_written_through, write_out

IMAGE = "image"
DIGITS = 12
"""Digits of the id in a file name; the whole id if two images share them."""
SUFFIXES = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tif"}
"""{Pillow's name of the format: suffix}; for other formats the lower-case name."""


def export(file: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], layout: Layout) -> None:
    """Write a CSV of `columns` with the images of its rows beside it; to a pipe or a device, the table only."""
    check_file(file)
    images = {} if is_written_through(file) else put_beside(file, [row["id"] for row in rows], layout)
    pictured = [{**row, IMAGE: images.get(row["id"], "")} for row in rows]
    write_out(file, to_fill_in(pictured, columns).encode())


def put_beside(table: Path, ids: Sequence[str], layout: Layout) -> dict[str, str]:
    """Write the images `ids` to the folder beside a table. Returns {id: relative path}; empty without a pool."""
    try:
        pool = Pool.open(layout.pool)
    except MissingInput:
        return {}
    names = file_names(pool, ids)
    folder = table.with_name(f"{table.stem}-images")
    for sample, data in pool.read_many(list(names)):
        if not (file := folder / names[sample]).exists():
            write_bytes(file, data)
    return {sample: f"{folder.name}/{name}" for sample, name in names.items()}


def file_names(pool: Pool, ids: Sequence[str]) -> dict[str, str]:
    """{id: file name} of the images in the pool."""
    rows = pool.index.select(["id", "format"]).filter(
        pc.is_in(pool.index["id"], value_set=pa.array(ids, pa.string()))
    )
    formats = dict(zip(*(rows[name].to_pylist() for name in ("id", "format")), strict=True))
    shared = Counter(sample[:DIGITS] for sample in formats)
    return {
        sample: f"{sample[:DIGITS] if shared[sample[:DIGITS]] == 1 else sample}."
        f"{SUFFIXES.get(formats[sample], formats[sample].lower())}"
        for sample in dict.fromkeys(ids)
        if sample in formats
    }
