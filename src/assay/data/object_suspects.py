"""Suspected objects, as the last `assay audit` of a task with objects left them for `assay review`.

    .assay/suspects.parquet    a row for each object with a probability of at least POSSIBLE, the most probable first;
                               the digest of the audited snapshot and the splits that were judged are in the metadata
                               of its schema

The stage audit runs before train and cannot judge objects, so that this is no DVC output, and may be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.data.annotations import Box
from assay.data.corrections import Correction
from assay.data.edits import Batches, answers_to
from assay.data.files import read_table, recall, write_table
from assay.data.outlines import RLE
from assay.data.pool import side_table
from assay.data.suspects import POSSIBLE
from assay.layout import Layout

DIGEST, SPLITS = b"snapshot", b"splits"
BOX = pa.list_(pa.float64())
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "kind": pa.string(),
        "given": pa.string(),
        "suggested": pa.string(),
        "probability": pa.float64(),
        "box": BOX,
        "suggested_box": BOX,
        "suggested_outlines": pa.list_(pa.string()),
        "also": BOX,
        "focus": BOX,
        "reason": pa.string(),
    }
)
"""Columns of `assay.labels.objects.table.rows` and `assay.labels.masks.table.row`."""
Row = dict[str, Any]


def file(layout: Layout) -> Path:
    return layout.scratch / "suspects.parquet"


def keep(layout: Layout, digest: str, rows: Iterable[Row], splits: Iterable[str]) -> None:
    """Replace the table by the suspicions about these splits of the snapshot with this digest."""
    shown = sorted(
        (row for row in rows if row["probability"] >= POSSIBLE), key=lambda row: -row["probability"]
    )
    about = {DIGEST: digest, SPLITS: " ".join(sorted(set(splits)))}
    write_table(file(layout), pa.Table.from_pylist(shown, SCHEMA.with_metadata(about)))


def kept(layout: Layout, digest: str | None = None) -> list[Row] | None:
    """The rows; None without a sound table of the snapshot with this digest, or of any snapshot."""
    table = recall(lambda: read_table(file(layout)))
    if table is None or not table.schema.equals(SCHEMA):
        return None
    of = (table.schema.metadata or {}).get(DIGEST, b"").decode()
    return table.to_pylist() if digest in (None, of) else None


def judged_splits(layout: Layout) -> set[str]:
    """The splits that the last audit has judged; none without a sound table."""
    table = recall(lambda: read_table(file(layout)))
    return set() if table is None else set((table.schema.metadata or {}).get(SPLITS, b"").decode().split())


def reviewed(layout: Layout, ids: Iterable[str], batches: Batches) -> set[str]:
    """Of the images `ids` those with more than one answer: labelled a second time, or excluded."""
    held, imports = list(batches), side_table(layout.pool, "imports")
    labelled = set(imports.filter(pc.is_valid(imports["annotations"]))["id"].to_pylist())
    looks, left_out = answers_to(held, ["label"]), answers_to(held, ["exclude"])
    return {one for one in ids if looks[one] + (one in labelled) > 1 or left_out[one]}


def unreviewed(layout: Layout, batches: Batches, digest: str | None = None) -> dict[str, list[Row]] | None:
    """{content id: its rows of `kept`}, the likeliest image first, without those reviewed; None without a table."""
    if (rows := kept(layout, digest)) is None:
        return None
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row)
    gone = reviewed(layout, found, batches)
    return {one: held for one, held in found.items() if one not in gone}


def correction(row: Mapping[str, Any]) -> Correction:
    """What a row suggests."""
    outlines = tuple(RLE.model_validate_json(one) for one in row["suggested_outlines"])
    box, new_box, also = (_box(row.get(name)) for name in ("box", "suggested_box", "also"))
    return Correction(row["given"], box, row["suggested"], new_box, outlines, also)


def _box(sides: Sequence[float] | None) -> Box | None:
    if sides is None:
        return None
    x, y, width, height = sides
    return x, y, width, height
