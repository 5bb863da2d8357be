"""Metrics of two sides on their common test samples: paired, per class, per slice, and the flipped samples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.matching import positions, whole
from assay.experiments.predicted import Predicted
from assay.metrics.estimates import holm
from assay.metrics.judged import Judged, compare, is_binary, is_right, mean_difference, measure
from assay.params import Params
from assay.tasks import load, shown_in

Found = dict[str, Any]
MOST_VALUES = 50
"""Most values of a slice column that are compared, the most frequent ones."""
LEVEL = 0.05
FIXED, BROKEN, OTHERWISE = "fixed", "broken", "otherwise wrong"
BETTER, WORSE = "better", "worse"
FLIPS = (FIXED, BROKEN, OTHERWISE, BETTER, WORSE)
"""Wrong in A and right in B; right in A and wrong in B; wrong in both with different classes. Where the quality of a
sample is no yes or no, as of objects: higher in B, or lower, by at least CLEARLY."""
CLEARLY = 0.1


def metrics_part(a: Predicted, b: Predicted, ruler: pa.Table, params: Params) -> tuple[Found, pa.Table]:
    """B − A on the samples of `ruler` (id, label, metadata) that both have predicted, and a row for each flip."""
    measured = _both(a, b, ruler)
    ids, labels = whole(measured["id"]), measured["label"].to_pylist()
    shown = shown_in(b.task, labels)
    categories = list(dict.fromkeys([*b.categories, *a.categories, *shown]))
    old, new = (side.on(ids, labels, categories) for side in (a, b))
    draws, seed = params.evaluate.bootstrap, params.seed
    compared = compare(new, old, draws, seed)
    flips = flipped(measured, old, new, load(b.task).words)
    kinds = Counter(flips["kind"].to_pylist())
    graded = is_graded(old, new)
    columns = {name: _values(measured["metadata"], name) for name in params.evaluate.slices}
    return {
        "n": len(measured),
        "unmeasured": len(ruler) - len(measured),
        "primary": params.track.primary,
        "a": measure(old, draws, seed),
        "b": measure(new, draws, seed),
        "difference": compared["difference"],
        "mcnemar": compared["mcnemar"]
        and {FIXED: kinds[FIXED], BROKEN: kinds[BROKEN]} | {"p_value": compared["mcnemar"]["p_value"]},
        "per_class": by_group(old, new, {name: shown[name] for name in categories if name in shown}),
        "slices": {name: by_group(old, new, _members(column)) for name, column in columns.items()},
        "flips": {kind: kinds[kind] for kind in FLIPS if (kind in (BETTER, WORSE)) == graded},
    }, flips


def _both(a: Predicted, b: Predicted, ruler: pa.Table) -> pa.Table:
    ids = whole(ruler["id"])
    there = [positions(ids, whole(side.table["id"])) >= 0 for side in (a, b)]
    return ruler.filter(pa.array(there[0] & there[1])).combine_chunks()


def flipped(rows: pa.Table, old: Judged, new: Judged, words: Callable[[str], str]) -> pa.Table:
    """The samples of a kind of FLIPS: id, label, before, after, kind, certainty and quality of each.

    Of a graded quality the largest changes are first.
    """
    before, after = (np.array(judged.words, object) for judged in (old, new))
    if is_graded(old, new):
        gain = new.quality - old.quality
        order = np.argsort(-np.abs(gain), kind="stable")
        moved = order[np.abs(gain[order]) >= CLEARLY]
        kind = np.where(gain[moved] > 0, BETTER, WORSE)
    else:
        was, now = is_right(old.quality), is_right(new.quality)
        moved = np.flatnonzero(((before != after) | (was != now)) & ~(was & now))
        kind = np.where(now[moved], FIXED, np.where(was[moved], BROKEN, OTHERWISE))
    return pa.table(
        {
            "id": rows["id"].take(pa.array(moved)),
            "label": pa.array(
                [words(text) for text in rows["label"].take(pa.array(moved)).to_pylist()], pa.string()
            ),
            "before": pa.array(before[moved], pa.string()),
            "after": pa.array(after[moved], pa.string()),
            "kind": pa.array(kind.tolist(), pa.string()),
            "certainty_before": pa.array(old.confidence[moved].round(4), from_pandas=True),
            "certainty_after": pa.array(new.confidence[moved].round(4), from_pandas=True),
            "quality_before": pa.array(old.quality[moved].round(4), pa.float64()),
            "quality_after": pa.array(new.quality[moved].round(4), pa.float64()),
        }
    )


def is_graded(old: Judged, new: Judged) -> bool:
    """Whether the quality of a sample is a number between right and wrong, as F1 of its objects."""
    return not (is_binary(old.quality) and is_binary(new.quality))


def by_group(old: Judged, new: Judged, groups: Mapping[str, NDArray[np.bool_]]) -> list[Found]:
    """Of each group, a mask (n,): its n, the mean quality of each side, and their paired difference.

    Quality is the accuracy of a classifier, within a class its recall.
    Interval and p are those of `mean_difference`; `p_holm` is corrected for the number of groups (Holm 1979); `told`:
    whether it is below LEVEL.
    """
    rows = [{"name": name or "(none)", **_qualities(old, new, members)} for name, members in groups.items()]
    for row, p in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row |= {"p_holm": p, "told": p < LEVEL}
    return rows


def _qualities(old: Judged, new: Judged, members: NDArray[np.bool_]) -> Found:
    was, now = old.quality[members], new.quality[members]
    sides = {"a": round(float(was.mean()), 6), "b": round(float(now.mean()), 6)}
    difference = mean_difference(now, was)
    p = difference.pop("p_value")
    return {"n": len(was), **sides, "difference": difference, **_moved(old, new, members), "p_value": p}


def _moved(old: Judged, new: Judged, members: NDArray[np.bool_]) -> dict[str, int]:
    """Number of samples of a group that are fixed and broken, or of a graded quality clearly better and worse."""
    was, now = old.quality[members], new.quality[members]
    if is_graded(old, new):
        return {BETTER: int((now - was >= CLEARLY).sum()), WORSE: int((was - now >= CLEARLY).sum())}
    right, before = is_right(now), is_right(was)
    return {FIXED: int((right & ~before).sum()), BROKEN: int((before & ~right).sum())}


def _values(metadata: pa.ChunkedArray, name: str) -> NDArray[Any]:
    """(n,) one column of the metadata as text; empty where a sample has no value."""
    return np.array([str(json.loads(text or "{}").get(name, "")) for text in metadata.to_pylist()], object)


def _members(column: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """Which samples have each of the most frequent values of a column."""
    ranked = sorted(Counter(column.tolist()).items(), key=lambda item: (-item[1], item[0]))
    return {value: column == value for value, _ in ranked[:MOST_VALUES]}
