"""A comparison as one self-contained HTML page; lists are stored as columns and paged, for 100,000 changed samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.difference import KINDS
from assay.data.matching import whole
from assay.experiments.comparison import Comparison
from assay.experiments.comparison.measured import FLIPS
from assay.progress import Progress, silent
from assay.reports.listed import Found, listed
from assay.reports.overlays import overlays
from assay.reports.page import render
from assay.reports.pictures import SIZE, fair_share, held, opened, thumbnails

MOST_CLASSES = 40
"""Most rows of the tables of classes and of relabelled pairs; the JSON has all."""
MATRIX = 24
"""Most classes for which relabelled pairs are shown as a matrix."""
CHANGES = (
    "label_before",
    "label_after",
    "split_before",
    "split_after",
    "group_before",
    "group_after",
    "batch",
)
LARGE = 160
"""Pixels of the longer side of pictures on which objects are drawn."""
SAID = ("label", "before", "after")


def page(
    compared: Comparison, pool: Path, limit: int, rows: int | None = None, progress: Progress = silent
) -> tuple[str, Found]:
    """The page, and the number of samples and pictures in each of its lists; at most `limit` pictures.

    `rows`: most samples in each list, divided evenly over the kinds (None: all). Half of the pictures are for flipped
    samples; pictures that one list does not need go to the other.
    """
    changes = _cut(compared.samples, compared.samples["kinds"].to_numpy(), rows)
    flips = None if compared.flips is None else _cut(compared.flips, _kinds(compared.flips), rows)
    images = opened(pool)
    groups = np.asarray(changes["kinds"].to_numpy(), np.int64)
    there = held(whole(changes["id"]), images)
    lists: Found = {}
    left, wanted = limit, []
    if flips is not None:
        of_flips = _kinds(flips)
        room = max(limit // 2, limit - int(there.sum()))
        chosen_flips = fair_share(of_flips, held(whole(flips["id"]), images), room)
        wanted += flips["id"].filter(pa.array(chosen_flips)).to_pylist()
        left -= len(wanted)
    chosen = fair_share(groups, there, left)
    wanted += changes["id"].filter(pa.array(chosen)).to_pylist()
    size = LARGE if len(compared.objects) else SIZE
    pictures = thumbnails(wanted, images, progress, size)
    lists["changes"] = listed(changes, groups, KINDS, CHANGES, ("origin",), chosen, pictures)
    if len(compared.objects):
        lists["changes"]["overlays"] = overlays(compared.objects, pictures)
    if flips is not None:
        numbers = ("certainty_before", "certainty_after", "quality_before", "quality_after")
        lists["flips"] = listed(flips, 1 << of_flips, FLIPS, SAID, numbers, chosen_flips, pictures)
    for name, table in (("changes", compared.samples), ("flips", compared.flips)):
        if table is not None:
            lists[name]["all"] = len(table)
    text = render(
        "diff.html.j2",
        result=compared.result,
        lists=lists,
        picture_size=size,
        classes=_classes(compared.result["data"]),
        relabelled=_matrix(compared.result["data"]),
        most=MOST_CLASSES,
    )
    shown = {name: {"samples": held["n"], "pictures": held["pictured"]} for name, held in lists.items()}
    return text, shown


def _cut(table: pa.Table, groups: NDArray[Any], rows: int | None) -> pa.Table:
    if rows is None or len(table) <= rows:
        return table
    return table.filter(pa.array(fair_share(groups, np.ones(len(table), bool), rows)))


def _kinds(flips: pa.Table) -> NDArray[np.int64]:
    found = pc.index_in(whole(flips["kind"]), value_set=pa.array(FLIPS))
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


def _classes(data: Found) -> list[Found]:
    """Classes by falling change of their share of the labels, at most MOST_CLASSES."""
    if "missing" in data:
        return []
    rows = {row["category"]: row for row in data["classes"]}
    moved = [entry["category"] for entry in data["variation"]["all"]["classes"]]
    order = [*moved, *(name for name in rows if name not in set(moved))]
    return [rows[name] for name in order[:MOST_CLASSES]]


def _matrix(data: Found) -> Found | None:
    """Counts relabelled from (rows) to (columns); None without any, with objects, or with more than MATRIX classes."""
    flows = [] if "missing" in data or "objects" in data else data["flows"]["relabelled"]
    names = sorted({name for flow in flows for name in (flow["before"], flow["after"])})
    if not flows or len(names) > MATRIX:
        return None
    counts = {(flow["before"], flow["after"]): flow["count"] for flow in flows}
    rows = [[counts.get((a, b), 0) for b in names] for a in names]
    return {"names": names, "rows": rows, "largest": max(counts.values())}
