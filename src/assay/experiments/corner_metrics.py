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
from assay.experiments.corners import Corner, Design
from assay.metrics.bootstrap import bootstrap_weights
from assay.metrics.judged import Judged
from assay.metrics.table import named

Floats = NDArray[np.float64]
KEPT = 1 << 28
"""Bytes of bootstrap weights that are kept in memory; beyond, they are drawn again for each corner."""


@dataclass(frozen=True)
class Outcome:
    """One corner with one seed, on that corner's ruler: ids (n,) of the test samples, and the predictions."""

    ids: Sequence[str] | NDArray[np.str_]
    judged: Judged


@dataclass(frozen=True)
class CornerMetric:
    """One metric. Undefined is NaN."""

    name: str
    category: str | None
    """Of a metric per class."""
    values: Floats
    """(corners, seeds)."""
    drawn: Floats
    """(corners, seeds, replicates)."""
    floor: float
    """Variance below which a paired difference is not trusted: see `Judged.floors`."""
    raised: float = 0.0
    """`Judged.BIAS` of the metric."""

    @property
    def bias(self) -> Floats:
        """(corners,): how much too high the mean over seeds is; other than zero for a metric that noise raises."""
        if not self.raised:
            return np.zeros(len(self.values))
        bias: Floats = self.raised * (self.drawn.mean((1, 2)) - self.values.mean(1))
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


def rulers(plan: Design, outcomes: Mapping[Corner, Sequence[Outcome]]) -> Rulers:
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
    plan: Design,
    outcomes: Mapping[Corner, Sequence[Outcome]],
    joined: Rulers,
    categories: Sequence[str],
    replicates: int,
    seed: int,
) -> Iterator[CornerMetric]:
    """METRICS, then OF_A_CLASS of the categories asked for, by their place among the classes (None: not asked for)."""
    weights = _Weights(len(joined), replicates, seed)
    first = outcomes[plan.corners[0]][0].judged
    shown = categories[: first.classes]
    cells = [
        [_cell(one.judged, weights.of(joined.rows[corner]), len(shown)) for one in outcomes[corner]]
        for corner in plan.corners
    ]
    floors = [_floors(outcomes[corner][0].judged, len(shown)) for corner in plan.corners]
    table = np.array(cells)  # (corners, seeds, metrics, 1 + replicates)
    lowest = np.max(floors, axis=0)
    names: list[tuple[str, str | None]] = [(name, None) for name in first.METRICS]
    if len(shown):
        names += [(name, category) for name in first.OF_A_CLASS for category in shown]
    for m, (name, category) in enumerate(names):
        values, drawn = table[:, :, m, 0], table[:, :, m, 1:]
        yield CornerMetric(name, category, values, drawn, float(lowest[m]), first.BIAS.get(name, 0.0))


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


def _cell(judged: Judged, weights: Iterator[NDArray[np.float32]], classes: int) -> Floats:
    """(metrics, 1 + replicates) of one corner and seed; what is undefined is NaN."""
    fresh = judged.take(slice(None))  # what it works out is not kept: wide for many classes
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([_row(fresh, block, classes) for block in weights], axis=1)


def _row(judged: Judged, weights: NDArray[np.float32], classes: int) -> Floats:
    rows = list(judged.values(weights).values())
    if classes:
        rows += [column for found in judged.of_classes(weights).values() for column in found.T[:classes]]
    return np.array(rows)


def _floors(judged: Judged, classes: int) -> list[float]:
    """Those of the metrics of `measure`, in their order."""
    overall, of_class = judged.floors()
    each = [of_class.get(name, np.zeros(classes))[:classes] for name in judged.OF_A_CLASS if classes]
    return [overall.get(name, 0.0) for name in judged.METRICS] + [float(x) for row in each for x in row]
