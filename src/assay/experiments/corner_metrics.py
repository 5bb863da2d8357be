"""What was measured: every corner's metrics for every seed, as they are and in bootstrap replicates.

The replicates are paired: a sample has the same weight in all corners and for all seeds, also where test sets differ,
as samples are told apart by id over the union of all test sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from assay.errors import AssayError
from assay.experiments.corners import Corner, Plan
from assay.metrics.bootstrap import bootstrap_weights
from assay.metrics.classification import METRICS, Judged, values_of
from assay.metrics.table import named

Floats = NDArray[np.float64]
PER_CLASS = ("recall", "f1")
BIASED = {"ece": 2.4}
"""ECE is a sum of absolute values, so noise adds to it; so does the bootstrap's, by 1/2.4 of that where a model is well
calibrated: E|x + e| − E|x| of normal x and e."""
KEPT = 1 << 28
"""Bytes of bootstrap weights that are kept in memory; beyond, they are drawn again for each corner."""


@dataclass(frozen=True)
class Outcome:
    """One corner with one seed, on that corner's ruler: ids (n,) of the test samples, and the predictions."""

    ids: Sequence[str] | NDArray[np.str_]
    judged: Judged


@dataclass(frozen=True)
class Measured:
    """One metric. Undefined is NaN."""

    name: str
    category: str | None
    """Of a metric per class."""
    values: Floats
    """(corners, seeds)."""
    drawn: Floats
    """(corners, seeds, replicates)."""
    floor: float
    """What Bonett & Price's (2012) two imaginary discordant samples add to a variance: see `_floors`."""

    @property
    def bias(self) -> Floats:
        """(corners,): how much too high the mean over seeds is; other than zero for ECE only."""
        if self.name not in BIASED:
            return np.zeros(len(self.values))
        bias: Floats = BIASED[self.name] * (self.drawn.mean((1, 2)) - self.values.mean(1))
        return bias

    @property
    def higher_is_better(self) -> bool:
        return named(self.name).higher_is_better


@dataclass(frozen=True)
class Rulers:
    """The union of the test sets, and where each corner's samples are in it."""

    ids: NDArray[np.str_]
    rows: dict[Corner, NDArray[np.int64]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)


def rulers(plan: Plan, outcomes: Mapping[Corner, Sequence[Outcome]]) -> Rulers:
    """Check that the outcomes fit together, and join their samples by id.

    Raises:
        AssayError: a corner is missing, has other seeds, classes or samples than it must, or a sample twice.
    """
    seeds, classes = len(outcomes[plan.corners[0]]) if plan.corners[0] in outcomes else 0, set()
    ids = {}
    for corner in plan.corners:
        found = outcomes.get(corner, ())
        if not found or len(found) != seeds:
            raise AssayError(f"corner {told(corner)} has {len(found)} seeds; {max(seeds, 1)} are needed")
        ids[corner] = np.asarray(found[0].ids, dtype=np.str_)
        classes |= {one.judged.classes for one in found}
        for one in found:
            if len(one.judged) != len(one.ids) or not np.array_equal(np.asarray(one.ids), ids[corner]):
                raise AssayError(f"corner {told(corner)}: the seeds were not judged on the same test samples")
        if not len(ids[corner]):
            raise AssayError(f"corner {told(corner)} has no test samples", hint="label some first")
    if len(classes) != 1:
        raise AssayError(f"the corners have different numbers of classes: {sorted(classes)}")
    union, inverse = np.unique(np.concatenate(list(ids.values())), return_inverse=True)
    ends = np.cumsum([len(found) for found in ids.values()])[:-1]
    rows = dict(zip(ids, np.split(inverse.astype(np.int64), ends), strict=True))
    for corner, places in rows.items():
        if len(np.unique(places)) < len(places):
            raise AssayError(f"corner {told(corner)} holds a test sample twice")
    return Rulers(union, rows)


def measure(
    plan: Plan,
    outcomes: Mapping[Corner, Sequence[Outcome]],
    joined: Rulers,
    categories: Sequence[str],
    replicates: int,
    seed: int,
) -> Iterator[Measured]:
    """METRICS, then PER_CLASS of the categories asked for, by their place among the classes (None: not asked for)."""
    weights = _Weights(len(joined), replicates, seed)
    classes = outcomes[plan.corners[0]][0].judged.classes
    cells = [
        [_cell(one.judged, weights.of(joined.rows[corner]), len(categories) > 0) for one in outcomes[corner]]
        for corner in plan.corners
    ]
    floors = [_floors(outcomes[corner][0].judged) for corner in plan.corners]
    table = np.array(cells)  # (corners, seeds, metrics, 1 + replicates)
    lowest = np.max(floors, axis=0)
    names: list[tuple[str, str | None]] = [(name, None) for name in METRICS]
    if len(categories):
        names += [(name, category) for name in PER_CLASS for category in categories[:classes]]
    for m, (name, category) in enumerate(names):
        yield Measured(name, category, table[:, :, m, 0], table[:, :, m, 1:], float(lowest[m]))


def told(corner: Corner) -> str:
    return " + ".join(sorted(corner)) if corner else "A"


class _Weights:
    """Bootstrap weights of the union's samples, the same each time they are asked for."""

    def __init__(self, n: int, replicates: int, seed: int) -> None:
        self.asked = (n, replicates, seed)
        self.kept = (
            [block.astype(np.uint8) for block in bootstrap_weights(*self.asked)]
            if n * replicates <= KEPT
            else None
        )

    def of(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Ones, then the replicates: blocks (b, rows)."""
        yield np.ones((1, len(rows)), np.float32)
        everything = len(rows) == self.asked[0] and bool((np.diff(rows) == 1).all())
        for block in self.kept or bootstrap_weights(*self.asked):
            yield (block if everything else block[:, rows]).astype(np.float32)


def _cell(judged: Judged, weights: Iterator[NDArray[np.float32]], with_classes: bool) -> Floats:
    """(metrics, 1 + replicates) of one corner and seed; what is undefined is NaN."""
    terms = Judged(judged.probabilities, judged.targets).terms  # not kept: wide for many classes
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [_row((block @ terms).astype(np.float64), judged.classes, with_classes) for block in weights]
    return np.concatenate(parts, axis=1)


def _row(sums: Floats, k: int, with_classes: bool) -> Floats:
    found = values_of(sums, k)
    rows = [found[name] for name in METRICS]
    if with_classes:
        hits, actual, predicted = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
        recall = hits / actual
        f1 = np.where(actual > 0, 2 * hits / (actual + predicted), np.nan)
        rows += [*recall.T, *f1.T]
    return np.array(rows)


def _floors(judged: Judged) -> list[float]:
    """Of each metric, in the order of `measure`: variance of a paired difference that no sample shows.

    2/(n + 2)² for a proportion of n samples; for a mean over classes that of the classes' proportions. None for
    log-loss and ECE, which differ as soon as the probabilities do.
    """
    counts = np.bincount(judged.targets, minlength=judged.classes)
    each = 2 / (counts + 2.0) ** 2
    there = counts > 0
    mean = float(each[there].sum()) / max(int(there.sum()), 1) ** 2
    overall = {"accuracy": 2 / (len(judged) + 2.0) ** 2, "balanced_accuracy": mean, "macro_f1": mean}
    return [overall.get(name, 0.0) for name in METRICS] + [float(x) for x in each] * len(PER_CLASS)
