"""Whether two evaluations agree within their uncertainty: overlap of intervals, agreement by sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SPLIT = "test"


@dataclass(frozen=True)
class MetricPair:
    """One metric of the test set, recorded and now, {value, low, high, n} each. `overlap`: of their 95 % intervals."""

    name: str
    recorded: dict[str, Any]
    now: dict[str, Any]
    overlap: bool


@dataclass(frozen=True)
class Agreement:
    """On the same test samples: share with the same predicted class, largest difference of a probability."""

    n: int
    same_class: float
    max_difference: float


@dataclass(frozen=True)
class Tolerance:
    """`why_not` is empty if the two agree within tolerance."""

    metrics: list[MetricPair]
    agreement: Agreement | None
    why_not: str

    @property
    def within(self) -> bool:
        return not self.why_not

    def as_dict(self) -> dict[str, Any]:
        return {"within": self.within, **asdict(self)}


def judge(recorded: Mapping[str, Any], now: Mapping[str, Any], old: pa.Table, new: pa.Table) -> Tolerance:
    """Compare two contents of metrics.json and of predictions.parquet."""
    metrics = compare_metrics(recorded.get(SPLIT) or {}, now.get(SPLIT) or {})
    agreed = agreement(old, new)
    apart = [metric.name for metric in metrics if not metric.overlap]
    if agreed is None:
        why_not = "the test samples, their labels or the classes differ"
    elif apart:
        why_not = f"the 95 % intervals of {', '.join(apart)} do not overlap"
    else:
        why_not = "" if metrics else "nothing was measured"
    return Tolerance(metrics, agreed, why_not)


def compare_metrics(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[MetricPair]:
    """Every overall metric of either."""
    names = [name for name, held in {**recorded, **now}.items() if isinstance(held, dict) and "value" in held]
    found = []
    for name in names:
        old, new = recorded.get(name) or {}, now.get(name) or {}
        found.append(MetricPair(name, dict(old), dict(new), _overlap(old, new)))
    return found


def _overlap(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    bounds = [side.get(bound) for side in (old, new) for bound in ("low", "high")]
    if any(bound is None for bound in bounds):
        return bool(old and new and old.get("value") == new.get("value"))
    return bool(old["low"] <= new["high"] and new["low"] <= old["high"])


def agreement(old: pa.Table, new: pa.Table) -> Agreement | None:
    """None if test samples, labels or classes differ."""
    one, other = (_tested(table) for table in (old, new))
    if not one["id"].equals(other["id"]) or not one["label"].equals(other["label"]):
        return None
    a, b = (np.asarray(pc.list_flatten(table["probabilities"]), np.float64) for table in (one, other))
    if a.shape != b.shape:
        return None
    n = len(one)
    same = pc.sum(pc.equal(one["predicted"], other["predicted"])).as_py() or 0
    return Agreement(n, same / n if n else 1.0, float(np.abs(a - b).max()) if len(a) else 0.0)


def _tested(predictions: pa.Table) -> pa.Table:
    return predictions.filter(pc.equal(predictions["split"], SPLIT)).sort_by("id").combine_chunks()
