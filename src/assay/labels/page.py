"""Suspects, or the queue, as one self-contained HTML page: pictures, filters, keys, answers exported as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.matching import positions, whole
from assay.data.suspects import ORDERS, REVIEW
from assay.progress import Progress, silent
from assay.reports.listed import listed
from assay.reports.page import render
from assay.reports.pictures import opened, thumbnails

KINDS = (
    "0.9 and more",
    "0.7 to 0.9",
    "under 0.7",
    "confident learning agrees",
    "looked at again",
    "may not belong",
)
"""Filters of the page, one bit each: bands of the probability to be wrong, and properties of label and image."""
WORDS = ("given", "suggested", "split", "reason")
VALUES = ("probability", "outlier", "combined", "origin")
QUEUED = ("to label", "to look at again")
LARGE, LARGE_ONES, SMALL = 400, 300, 160
"""Longer side in px of the first LARGE_ONES pictures, and of the others: it keeps a page under about 25 MB."""
PICTURES = 2000


def page(
    result: dict[str, Any],
    table: pa.Table,
    samples: pa.Table,
    pool: Path,
    pictures: int,
    progress: Progress = silent,
) -> str:
    """`table`: rows of `for_review`, in this order; the first `pictures` of them are shown with their image."""
    with_origin = table.append_column("origin", origins(table["id"], samples))
    chosen, found = _pictures(table, pool, pictures, progress)
    suspects = listed(with_origin, kinds(table), KINDS, WORDS, VALUES, chosen, found)
    classes = pc.unique(pa.concat_arrays([whole(table["given"]), whole(table["suggested"])])).to_pylist()
    said = "the model disagrees" if result["share"]["low"] <= 0 else "wrong"
    shown = {"all": len(table), "classes": sorted(classes), "said": said, "sorted": ORDERS[result["sort"]]}
    lists = {"suspects": {**suspects, **shown}}
    return render("audit.html.j2", result=result, lists=lists)


def queue_page(
    table: pa.Table, open_: int, classes: Sequence[str] | None, pool: Path, progress: Progress = silent
) -> str:
    """`table`: QUEUE rows with a `path`, best first; `open_`: length of the whole queue.

    `classes`: those to choose from; None: images can only be excluded.
    """
    again = pc.equal(table["strategy"], REVIEW).to_numpy(zero_copy_only=False)
    shown = table.append_column("origin", pc.fill_null(table["path"], ""))
    chosen, found = _pictures(table, pool, PICTURES, progress)
    words = ("predicted", "split", "strategy", "reason")
    kind = np.where(again, 2, 1).astype(np.int64)
    queue = listed(shown, kind, QUEUED, words, ("confidence", "origin"), chosen, found)
    lists = {"queue": {**queue, "all": len(table), "classes": list(classes or ())}}
    return render("queue.html.j2", lists=lists, open=open_, by_class=classes is not None)


def _pictures(
    table: pa.Table, pool: Path, most: int, progress: Progress
) -> tuple[np.ndarray, dict[str, str]]:
    """(n,) which rows have a picture, the first `most`; and the data URIs by id."""
    images, ids = opened(pool), table["id"].slice(0, most).to_pylist()
    found = thumbnails(ids[:LARGE_ONES], images, progress, LARGE)
    if ids[LARGE_ONES:]:
        found |= thumbnails(ids[LARGE_ONES:], images, progress, SMALL)
    return np.arange(len(table)) < most, found


def kinds(table: pa.Table) -> np.ndarray:
    """(n,) the KINDS of each row, as bits."""
    p = table["probability"].to_numpy()
    agrees, looks = table["flagged"].to_numpy(zero_copy_only=False), table["looks"].to_numpy()
    foreign = pc.equal(table["proposed"], "exclude").to_numpy(zero_copy_only=False)
    of = (p >= 0.9, (p >= 0.7) & (p < 0.9), p < 0.7, agrees, looks > 1, foreign)
    return np.asarray(sum(np.asarray(held, np.int64) << bit for bit, held in enumerate(of)), np.int64)


def origins(ids: pa.ChunkedArray, samples: pa.Table) -> pa.Array:
    """(n,) first origin of each image."""
    rows = positions(whole(ids), whole(samples["id"]))
    first = pc.list_element(whole(samples["origins"]).take(pa.array(rows)), 0)
    return pc.fill_null(first, "")
