"""Cost of labelling an image, in the unit of the budget: a metadata column, or a price per object."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.metadata import listed, names
from assay.data.snapshot import Snapshot
from assay.errors import ParamsError

SHOWN = 3
"""Number of images that an error names."""


def costs_of(snapshot: Snapshot, column: str | None, ids: Sequence[str]) -> NDArray[np.float32]:
    """(n,) cost of each of `ids`; 1 without a column. ParamsError if an image has no positive number there."""
    if column is None:
        return np.ones(len(ids), np.float32)
    wanted = set(ids)
    rows = zip(snapshot.samples["id"].to_pylist(), snapshot.samples["metadata"].to_pylist(), strict=True)
    told = {sample: json.loads(text or "{}").get(column) for sample, text in rows if sample in wanted}
    costs = np.array([_positive(told.get(sample)) for sample in ids], np.float32)
    there = listed(names(snapshot.samples["metadata"]))
    if wrong := [sample for sample, cost in zip(ids, costs, strict=True) if not cost > 0]:
        raise ParamsError(
            f"select.cost: {len(wrong):,} of {len(ids):,} images have no positive number in the metadata"
            f" column {column!r}, such as {_named(wrong, told)}",
            hint=f"give every image that can be queued a cost, or exclude it; metadata columns: {there}",
        )
    return costs


def objects_per_image(snapshot: Snapshot) -> float:
    """Mean number of objects, with a box or an outline, of the labelled images; 0 without any."""
    notes = snapshot.annotations
    objects = pc.sum(pc.or_(notes["bbox"].is_valid(), notes["segmentation"].is_valid())).as_py() or 0
    return float(objects / max(1, pc.sum(snapshot.samples["labelled"]).as_py() or 0))


def objects_by_class(labels: pa.Table, ids: Sequence[str], categories: Sequence[str]) -> NDArray[np.float64]:
    """(n, classes) number of annotated objects on each of `ids`, from rows of id and label; NaN without a row.

    A label is the annotations as JSON; crowd regions are not counted.
    """
    place, row_of = ({name: k for k, name in enumerate(names)} for names in (categories, ids))
    found = np.full((len(ids), len(categories)), np.nan)
    rows = labels.filter(pc.is_in(labels["id"], value_set=pa.array(ids, pa.string())))
    for sample, label in zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True):
        shown = [place[one["category"]] for one in json.loads(label) if not one.get("iscrowd")]
        found[row_of[sample]] = np.bincount(np.array(shown, np.int64), minlength=len(categories))
    return found


def _positive(value: object) -> float:
    """`value` as a positive finite number; 0 if it is none."""
    try:
        number = float(str(value))
    except ValueError:
        return 0.0
    return number if 0 < number < float("inf") else 0.0


def _named(wrong: Sequence[str], told: dict[str, object]) -> str:
    return ", ".join(f"{sample[:12]} ({told.get(sample)!r})" for sample in wrong[:SHOWN])
