"""Metrics of every corner and seed, with paired bootstrap replicates.

A replicate has one weight for each sample of the union of all test sets, joined by id: a sample has the same weight in
all corners and for all seeds, also where test sets differ.
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
"""Largest size in bytes of bootstrap weights kept in memory; larger ones are drawn again for each corner."""


@dataclass(frozen=True)
class CornerOutcome:
    """One corner with one seed: ids (n,) of its test samples, and their predictions."""

    ids: Sequence[str] | NDArray[np.str_]
    judged: Judged


@dataclass(frozen=True)
class CornerMetric:
    """One metric of all corners; NaN where undefined."""

    name: str
    category: str | None
    """Class of a metric per class; None: over all classes."""
    values: Floats
    """(corners, seeds)."""
    drawn: Floats
    """(corners, seeds, replicates)."""
    floor: float
    """Least variance of a paired difference: see `Judged.floors`."""
    raised: float = 0.0
    """`Judged.BIAS` of the metric."""

    @property
    def bias(self) -> Floats:
        """(corners,): estimated bias of the mean over seeds; 0 unless noise raises the metric."""
        if not self.raised:
            return np.zeros(len(self.values))
        bias: Floats = self.raised * (self.drawn.mean((1, 2)) - self.values.mean(1))
        return bias

    @property
    def higher_is_better(self) -> bool:
        return named(self.name).higher_is_better


@dataclass(frozen=True)
class Rulers:
    """The union of the test sets, and the rows of each corner in it."""

    ids: NDArray[np.str_]
    rows: dict[Corner, NDArray[np.int64]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)


def rulers(plan: Design, outcomes: Mapping[Corner, Sequence[CornerOutcome]]) -> Rulers:
    """Check the outcomes against the plan, and join their samples by id.

    Raises:
        AssayError: a corner is missing; seeds, classes or samples differ where they must not; a sample occurs twice.
    """
    seeds, classes = len(outcomes[plan.corners[0]]) if plan.corners[0] in outcomes else 0, set()
    ids = {}
    for corner in plan.corners:
        found = outcomes.get(corner, ())
        if not found or len(found) != seeds:
            raise AssayError(
                f"corner {corner_name(corner)} has {len(found)} seeds; {max(seeds, 1)} are needed"
            )
        ids[corner] = np.asarray(found[0].ids, dtype=np.str_)
        classes |= {one.judged.classes for one in found}
        for one in found:
            if len(one.judged) != len(one.ids) or not np.array_equal(np.asarray(one.ids), ids[corner]):
                raise AssayError(
                    f"corner {corner_name(corner)}: the seeds were not judged on the same test samples"
                )
        if not len(ids[corner]):
            raise AssayError(f"corner {corner_name(corner)} has no test samples", hint="label some first")
    if len(classes) != 1:
        raise AssayError(f"the corners have different numbers of classes: {sorted(classes)}")
    union, inverse = np.unique(np.concatenate(list(ids.values())), return_inverse=True)
    ends = np.cumsum([len(found) for found in ids.values()])[:-1]
    rows = dict(zip(ids, np.split(inverse.astype(np.int64), ends), strict=True))
    for corner, places in rows.items():
        if len(np.unique(places)) < len(places):
            raise AssayError(f"corner {corner_name(corner)} holds a test sample twice")
    return Rulers(union, rows)


def measure(
    plan: Design,
    outcomes: Mapping[Corner, Sequence[CornerOutcome]],
    joined: Rulers,
    categories: Sequence[str],
    replicates: int,
    seed: int,
) -> Iterator[CornerMetric]:
    """The metrics of the task, then those per class of the `categories` that are not None, by class index."""
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


def corner_name(corner: Corner) -> str:
    return " + ".join(sorted(corner)) if corner else "A"


class _Weights:
    """Bootstrap weights of the union's samples; every iteration gives the same ones."""

    def __init__(self, n: int, replicates: int, seed: int) -> None:
        self.asked = (n, replicates, seed)
        self.kept = (
            [block.astype(np.uint8) for block in bootstrap_weights(*self.asked)]
            if n * replicates <= KEPT
            else None
        )

    def of(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Blocks (b, rows) of weights: a row of ones, then the replicates."""
        yield np.ones((1, len(rows)), np.float32)
        everything = len(rows) == self.asked[0] and bool((np.diff(rows) == 1).all())
        for block in self.kept or bootstrap_weights(*self.asked):
            yield (block if everything else block[:, rows]).astype(np.float32)


def _cell(judged: Judged, weights: Iterator[NDArray[np.float32]], classes: int) -> Floats:
    """(metrics, 1 + replicates) of one corner and seed; NaN where undefined."""
    fresh = judged.take(
        slice(None)
    )  # a copy, so that its cached tables are freed: they are wide for many classes
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([_row(fresh, block, classes) for block in weights], axis=1)


def _row(judged: Judged, weights: NDArray[np.float32], classes: int) -> Floats:
    rows = list(judged.values(weights).values())
    if classes:
        rows += [column for found in judged.of_classes(weights).values() for column in found.T[:classes]]
    return np.array(rows)


def _floors(judged: Judged, classes: int) -> list[float]:
    """Floors of the metrics, in the order of `measure`."""
    overall, of_class = judged.floors()
    each = [of_class.get(name, np.zeros(classes))[:classes] for name in judged.OF_A_CLASS if classes]
    return [overall.get(name, 0.0) for name in judged.METRICS] + [float(x) for row in each for x in row]
