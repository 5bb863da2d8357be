"""Distribution of the classes in each split before and after a change, and the distance between the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.matching import whole
from assay.data.snapshot import Snapshot
from assay.data.splits import PROTECTION

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """Counts of a snapshot without excluded samples; the splits in the order of PROTECTION."""

    categories: tuple[str, ...]
    classes: Counts
    """(3, k) annotations of each split and category."""
    labelled: Counts
    """(3,) samples."""
    unlabelled: Counts


def spread(snapshot: Snapshot, categories: tuple[str, ...] | None = None) -> Spread:
    """Count a snapshot; `categories` are the columns (None: its own). Other categories are not counted."""
    categories = snapshot.categories if categories is None else categories
    samples = snapshot.samples
    split = _codes(samples["split"], PROTECTION)
    split = np.where(samples["excluded"].to_numpy(), -1, split)
    labelled = samples["labelled"].to_numpy()
    category = _codes(snapshot.annotations["category"], categories)
    of_annotation = split[snapshot.annotated]
    counted = (of_annotation >= 0) & (category >= 0)
    cells = of_annotation[counted] * len(categories) + category[counted]
    size = len(PROTECTION) * len(categories)
    return Spread(
        categories,
        np.bincount(cells, minlength=size).reshape(len(PROTECTION), len(categories)),
        np.bincount(split[labelled & (split >= 0)], minlength=len(PROTECTION)),
        np.bincount(split[~labelled & (split >= 0)], minlength=len(PROTECTION)),
    )


def _codes(column: pa.ChunkedArray, names: tuple[str, ...]) -> Counts:
    found = pc.index_in(whole(column), value_set=pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)


def total_variation(before: Counts, after: Counts) -> float | None:
    """½ Σ |p − q| of two sets of counts: the share that would have to change its class. None if one is empty."""
    if not before.sum() or not after.sum():
        return None
    return float(np.abs(before / before.sum() - after / after.sum()).sum() / 2)


def shift(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """Counts by split and class before and after, and the total variation between the shares of the classes.

    `splits`: rows of split, labelled, unlabelled, the last two [before, after]. `classes`: rows of category, and
    [before, after] for each split and `all`. `variation`: for each split and `all`, `total`, the total variation, and
    the `classes` whose share changed, largest change first, with their `shares` [before, after].
    """
    categories = tuple(dict.fromkeys((*before.categories, *after.categories)))
    a, b = (spread(snapshot, categories) for snapshot in (before, after))
    tables = {name: (a.classes[row], b.classes[row]) for row, name in enumerate(PROTECTION)}
    tables["all"] = (a.classes.sum(0), b.classes.sum(0))
    return {
        "splits": [
            {
                "split": name,
                "labelled": [int(a.labelled[row]), int(b.labelled[row])],
                "unlabelled": [int(a.unlabelled[row]), int(b.unlabelled[row])],
            }
            for row, name in enumerate(PROTECTION)
        ],
        "classes": [
            {"category": category} | {name: [int(old[k]), int(new[k])] for name, (old, new) in tables.items()}
            for k, category in enumerate(categories)
        ],
        "variation": {name: _variation(categories, old, new) for name, (old, new) in tables.items()},
    }


def _variation(categories: tuple[str, ...], before: Counts, after: Counts) -> dict[str, Any]:
    total = total_variation(before, after)
    if total is None:
        return {"total": None, "classes": []}
    shares = before / before.sum(), after / after.sum()
    moved = shares[1] - shares[0]
    order = [k for k in np.argsort(-np.abs(moved), kind="stable") if moved[k]]
    return {
        "total": round(total, 6),
        "classes": [
            {"category": categories[k], "shares": [round(float(side[k]), 6) for side in shares]}
            for k in order
        ],
    }
