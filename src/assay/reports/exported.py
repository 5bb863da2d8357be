"""A table that goes out to people, with the images that it is about beside it.

    to-label.csv
    to-label-images/3f2a9c01d4be.jpg     as they came in, named by the first digits of the id

The column `image` says where, relative to the table. What lies in that folder already stays.
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
"""Of an id in a file name; the whole id where two images share them."""
SUFFIXES = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tif"}
"""By Pillow's name of the format; of the others it is that name."""


def export(file: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], layout: Layout) -> None:
    """Write a CSV of `columns`, and the images of its rows beside it. A pipe or a device gets the table alone."""
    check_file(file)
    images = {} if is_written_through(file) else put_beside(file, [row["id"] for row in rows], layout)
    pictured = [{**row, IMAGE: images.get(row["id"], "")} for row in rows]
    write_out(file, to_fill_in(pictured, columns).encode())


def put_beside(table: Path, ids: Sequence[str], layout: Layout) -> dict[str, str]:
    """Write the images of some ids into a folder beside a table: {id: path from there}; none without a pool."""
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
    """{id: file name} of those that the pool has."""
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
