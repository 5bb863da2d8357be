"""The metrics of two sides on the ruler they share: paired, per class, per slice, and the samples that flipped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.matching import positions, whole
from assay.metrics.classification import Judged, compare, measure
from assay.metrics.estimates import bonett_price, estimate, mcnemar_p
from assay.params import Params

Found = dict[str, Any]
MOST_VALUES = 50
"""Of a slice column: the most frequent values are compared."""
LEVEL = 0.05
FIXED, BROKEN, OTHERWISE = "fixed", "broken", "otherwise wrong"
FLIPS = (FIXED, BROKEN, OTHERWISE)
"""Wrong, now right; right, now wrong; wrong both times with another class."""


@dataclass(frozen=True)
class Predicted:
    """What a side's model said: predictions.parquet, and the classes in the order of its probabilities."""

    table: pa.Table
    categories: tuple[str, ...]

    def on(self, ids: pa.Array, labels: list[str], categories: Sequence[str]) -> Judged:
        """Its probabilities of some of its samples, in the columns of `categories`: 0 for a class it does not know."""
        rows = positions(ids, whole(self.table["id"]))
        lists = whole(self.table["probabilities"]).take(pa.array(rows))
        held = np.asarray(lists.flatten(), np.float32).reshape(len(ids), len(self.categories))
        wide = np.zeros((len(ids), len(categories)), np.float32)
        wide[:, [list(categories).index(name) for name in self.categories]] = held
        codes = pc.index_in(pa.array(labels, pa.string()), value_set=pa.array(categories, pa.string()))
        return Judged(wide, np.asarray(codes, np.int64))


def metrics_part(a: Predicted, b: Predicted, ruler: pa.Table, params: Params) -> tuple[Found, pa.Table]:
    """B − A on the samples of `ruler` (id, label, metadata) that both have predicted, and a row for each flip."""
    measured = _both(a, b, ruler)
    ids, labels = whole(measured["id"]), measured["label"].to_pylist()
    categories = list(dict.fromkeys([*b.categories, *a.categories, *sorted(set(labels))]))
    old, new = (side.on(ids, labels, categories) for side in (a, b))
    draws, seed = params.evaluate.bootstrap, params.seed
    compared = compare(new, old, draws, seed)
    flips = flipped(measured, old, new, categories)
    kinds = Counter(flips["kind"].to_pylist())
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
        "per_class": by_group(
            old, new, np.array(labels, object), [c for c in categories if c in set(labels)]
        ),
        "slices": {name: by_group(old, new, column, _frequent(column)) for name, column in columns.items()},
        "flips": {kind: kinds[kind] for kind in FLIPS},
    }, flips


def _both(a: Predicted, b: Predicted, ruler: pa.Table) -> pa.Table:
    ids = whole(ruler["id"])
    there = [positions(ids, whole(side.table["id"])) >= 0 for side in (a, b)]
    return ruler.filter(pa.array(there[0] & there[1])).combine_chunks()


def flipped(rows: pa.Table, old: Judged, new: Judged, categories: Sequence[str]) -> pa.Table:
    """The samples of which the two say different things: id, label, before, after, kind, certainty of either."""
    names = np.array(categories, object)
    moved = np.flatnonzero(old.predicted != new.predicted)
    kind = np.where(new.correct[moved], FIXED, np.where(old.correct[moved], BROKEN, OTHERWISE))
    return pa.table(
        {
            "id": rows["id"].take(pa.array(moved)),
            "label": rows["label"].take(pa.array(moved)),
            "before": pa.array(names[old.predicted[moved]], pa.string()),
            "after": pa.array(names[new.predicted[moved]], pa.string()),
            "kind": pa.array(kind.tolist(), pa.string()),
            "certainty_before": pa.array(old.confidence[moved].round(4)),
            "certainty_after": pa.array(new.confidence[moved].round(4)),
        }
    )


def by_group(old: Judged, new: Judged, group: NDArray[Any], names: Sequence[str]) -> list[Found]:
    """For each group its n, the accuracy of either side (of a class: its recall), and their paired difference.

    The interval is Bonett & Price's, p is McNemar's; `p_holm` allows for there being as many groups (Holm 1979), and
    `told` says whether that is below LEVEL.
    """
    rows = [{"name": name or "(none)", **_accuracies(old, new, group == name)} for name in names]
    for row, p in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row |= {"p_holm": p, "told": p < LEVEL}
    return rows


def _accuracies(old: Judged, new: Judged, members: NDArray[np.bool_]) -> Found:
    n = int(members.sum())
    was, now = old.correct[members], new.correct[members]
    fixed, broken = int((now & ~was).sum()), int((was & ~now).sum())
    difference = estimate((fixed - broken) / n, *bonett_price(fixed, broken, n), n)
    sides = {"a": round(float(was.mean()), 6), "b": round(float(now.mean()), 6)}
    p = round(mcnemar_p(fixed, broken), 6)
    return {"n": n, **sides, "difference": difference, FIXED: fixed, BROKEN: broken, "p_value": p}


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being the best of several (Holm 1979)."""
    m, worst, adjusted = len(p_values), 0.0, [0.0] * len(p_values)
    for rank, k in enumerate(sorted(range(m), key=lambda k: p_values[k])):
        worst = max(worst, min(1.0, (m - rank) * p_values[k]))
        adjusted[k] = round(worst, 6)
    return adjusted


def _values(metadata: pa.ChunkedArray, name: str) -> NDArray[Any]:
    """One column of the metadata, as text: (n,); empty where a sample has none."""
    return np.array([str(json.loads(text or "{}").get(name, "")) for text in metadata.to_pylist()], object)


def _frequent(column: NDArray[Any]) -> list[str]:
    ranked = sorted(Counter(column.tolist()).items(), key=lambda item: (-item[1], item[0]))
    return [value for value, _ in ranked[:MOST_VALUES]]
