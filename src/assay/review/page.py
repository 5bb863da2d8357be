"""The suspects as one self-contained page, with pictures, filters and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import reports
from assay.comparison.page import listed
from assay.comparison.pictures import opened, thumbnails
from assay.data.matching import positions, whole
from assay.data.pool import Pool
from assay.progress import Progress, silent

KINDS = ("0.9 and more", "0.7 to 0.9", "under 0.7", "confident learning agrees", "looked at again")
"""How likely a label is to be wrong, and what else is known of it."""
WORDS = ("given", "suggested", "split", "reason")
VALUES = ("probability", "origin")


def page(
    result: dict[str, Any],
    table: pa.Table,
    samples: pa.Table,
    pool: Path,
    pictures: int,
    progress: Progress = silent,
) -> str:
    """`table`: the RANKED rows to show, the likeliest first; the first `pictures` of them have one."""
    images: Pool | None = opened(pool)
    chosen = np.arange(len(table)) < pictures
    found = thumbnails(table["id"].slice(0, pictures).to_pylist(), images, progress)
    with_origin = table.append_column("origin", origins(table["id"], samples))
    suspects = listed(with_origin, kinds(table), KINDS, WORDS, VALUES, chosen, found)
    return reports.page("audit.html.j2", result=result, lists={"suspects": {**suspects, "all": len(table)}})


def kinds(table: pa.Table) -> np.ndarray:
    """(n,) the KINDS of each row, as bits."""
    p = table["probability"].to_numpy()
    agrees, looks = table["flagged"].to_numpy(zero_copy_only=False), table["looks"].to_numpy()
    of = (p >= 0.9, (p >= 0.7) & (p < 0.9), p < 0.7, agrees, looks > 1)
    return np.asarray(sum(np.asarray(held, np.int64) << bit for bit, held in enumerate(of)), np.int64)


def origins(ids: pa.ChunkedArray, samples: pa.Table) -> pa.Array:
    """Where each image came from, first."""
    rows = positions(whole(ids), whole(samples["id"]))
    first = pc.list_element(whole(samples["origins"]).take(pa.array(rows)), 0)
    return pc.fill_null(first, "")
