"""Lazy farthest-first traversal: the picks of the plain greedy algorithm without comparing every row with every pick.

The *gap* of a row is its canonical squared distance (`_geometry`) to the nearest centre. A new centre only lowers
gaps, so an earlier upper bound of a gap stays one (lazy evaluation; M. Minoux: Accelerated greedy algorithms for
maximizing submodular set functions. 1978). Bounds are kept on three levels:

    all rows    an interval [lower, upper] of each gap and the number of centres that it accounts for. Rows are updated
                by matrix products, the highest upper bounds first, until the front is full of rows that are up to date
    front       these rows, copied into one block; updated with all picks of a head at once
    head        the HEAD highest rows of the front with all distances among them: a pick costs one row of this table

A row is picked once its lower bound exceeds all other upper bounds. Where intervals overlap, the canonical gaps are
computed. The picks therefore equal those of the plain algorithm; of equal gaps, the earlier row is picked.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cached_property
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from assay.strategies._geometry import (
    CENTRES,
    blocks,
    canonical,
    distance_error,
    mean_of,
    squared_distances,
    squared_norms,
    top_rows,
)

SMALL, FRONT = 4096, 16_384
"""Size of the front: an eighth of all rows, clipped to these; a quarter of that with more than MANY centres."""
HEAD = 256
"""Rows of the head."""
MANY = 2 * CENTRES
"""Number of centres above which bounds are initialised from pivots (`look_around`)."""
AHEAD = 16
"""Least number of canonical gaps computed at once when intervals overlap: the next picks need them as well."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Gaps:
    """An interval [lower, upper] of the gap of every row, narrowed on request."""

    def __init__(self, X: NDArray[np.float32], centres: Rows) -> None:
        """X (n, d) may be a memory map: it is read in blocks and never copied. `centres` are rows of X."""
        self.X = np.asarray(X)
        self.centres = centres.tolist()
        self.mean = mean_of(self.X)
        self.origin = self.mean.astype(np.float32)
        self.norms = np.concatenate(
            [squared_norms(self.X[block] - self.origin) for block in blocks(len(X))]
            or [np.empty(0, np.float32)]
        )
        self.upper = np.full(len(X), np.inf)
        self.lower = np.full(len(X), np.inf)
        self.seen = np.zeros(len(X), np.int64)
        """(n,) each interval accounts for the centres before this index."""

    def near_origin(self, rows: Rows) -> NDArray[np.float32]:
        """(rows, d) the rows minus the mean: shorter vectors have a smaller rounding error."""
        Y = self.X.take(rows, axis=0)
        Y -= self.origin
        return Y

    def narrow(self, Y: NDArray[np.float32], rows: Rows, first: int, upper: Floats, lower: Floats) -> None:
        """Narrow `upper` and `lower` of `rows` in place with the centres from `first` on, at most CENTRES.

        Y is `near_origin(rows)`.
        """
        distances, error = self.between(Y, rows, np.array(self.centres[first : first + CENTRES]))
        _cut(upper, lower, distances.min(axis=0), error)

    def look_around(self, rows: Rows) -> None:
        """Initialise `upper` of `rows`: the least distance to the centres around the nearest of √centres pivots.

        With many centres, few rows then have to be compared with all of them.
        """
        centres = np.array(self.centres)
        pivots = centres[np.linspace(0, len(centres) - 1, isqrt(len(centres)), dtype=np.int64)]
        around = self._home(centres, pivots)
        parts = np.split(
            centres[np.argsort(around, kind="stable")],
            np.cumsum(np.bincount(around, minlength=len(pivots)))[:-1],
        )
        for block in blocks(len(rows), FRONT):
            some = rows[block]
            home = self._home(some, pivots)
            for pivot in np.unique(home):
                mine = some[home == pivot]
                distances, error = self.between(
                    self.near_origin(mine), mine, np.append(parts[pivot], pivots[pivot])
                )
                self.upper[mine] = np.minimum(self.upper[mine], distances.min(axis=0) + error)

    def _home(self, rows: Rows, pivots: Rows) -> Rows:
        """(rows,) index of the nearest pivot."""
        found = [
            self.between(self.near_origin(rows[b]), rows[b], pivots)[0].argmin(axis=0)
            for b in blocks(len(rows))
        ]
        return np.concatenate(found or [np.empty(0, np.int64)])

    def between(
        self, Y: NDArray[np.float32], rows: Rows, centres: Rows
    ) -> tuple[NDArray[np.float32], Floats]:
        """(centres, rows) distances, and (rows,) bounds of their error; Y is `near_origin(rows)`."""
        norms, others = self.norms[rows], self.norms[centres]
        distances = squared_distances(Y, norms, self.near_origin(centres), others)
        return distances, distance_error(self.X.shape[1], norms, others)

    def catch_up(self, rows: Rows, enough: float) -> None:
        """Compare `rows` with the centres they do not account for yet, until their upper bound is below `enough`."""
        rows = rows[np.argsort(self.seen[rows], kind="stable")]
        for block in blocks(len(rows)):
            self._catch_up(rows[block], enough)

    def _catch_up(self, rows: Rows, enough: float) -> None:
        Y = self.near_origin(rows)
        for first in range(int(self.seen[rows].min()), len(self.centres), CENTRES):
            upper, lower = self.upper[rows], self.lower[rows]
            self.narrow(Y, rows, first, upper, lower)
            self.upper[rows], self.lower[rows] = upper, lower
            self.seen[rows] = min(first + CENTRES, len(self.centres))
            if not (open_ := upper >= enough).all():
                rows, Y = rows[open_], Y[open_]
            if not len(rows):
                return

    def exact(self, rows: Rows, upper: Floats) -> Floats:
        """(rows,) canonical gaps of rows that account for every centre; `upper` (rows,) bounds them."""
        gaps = np.full(len(rows), np.inf)
        Y = self.near_origin(rows)
        for block in blocks(len(self.centres)):
            centres = np.array(self.centres[block])
            distances, error = self.between(Y, rows, centres)
            which, row = np.nonzero(distances <= upper + error)
            for part in blocks(len(row)):
                pairs = canonical(self.X[rows[row[part]]], self.X[centres[which[part]]])
                np.minimum.at(gaps, row[part], pairs)
        return gaps


class Farthest:
    """Iterator over the rows of X (n, d) that are no centres: the row of the largest gap, which becomes a centre."""

    def __init__(self, X: NDArray[np.float32], centres: Rows) -> None:
        self.gaps = Gaps(X, centres)
        self.open = np.ones(len(X), bool)
        self.drop(centres)

    def drop(self, rows: Rows) -> None:
        """Close `rows`: they are not picked any more. May be called during iteration."""
        self.open[rows] = False
        self.gaps.upper[rows] = self.gaps.lower[rows] = -np.inf

    def __iter__(self) -> Iterator[int]:
        """O(n·d) for the first pick and for each new front; at most O(d·HEAD) for a pick in between."""
        if not self.gaps.centres and self.open.any():
            yield self._pick(self._most_central())
        rows = np.flatnonzero(self.open)
        if len(self.gaps.centres) > MANY:
            self.gaps.look_around(rows)
        else:
            self.gaps.catch_up(rows, np.inf)
        while len(rows := self._foremost()):
            front = _Front(self, rows)
            while (yield from front.picks()):
                pass
            front.hand_back()

    def _pick(self, row: int) -> int:
        self.gaps.centres.append(row)
        self.drop(np.array([row]))
        return row

    def _most_central(self) -> int:
        """The open row nearest to the mean of all rows."""
        X, mean = self.gaps.X, self.gaps.mean
        to_mean = np.concatenate([canonical(X[block], mean) for block in blocks(len(X))])
        return int(np.where(self.open, to_mean, np.inf).argmin())

    def _foremost(self) -> Rows:
        """Rows of the next front: open, with the highest upper bounds, accounting for every centre."""
        gaps = self.gaps
        count = -(-min(max(len(gaps.upper) // 8, SMALL), FRONT) // (4 if len(gaps.centres) > MANY else 1))
        while True:
            rows = top_rows(gaps.upper, count)
            rows = rows[self.open[rows]]
            late = rows[gaps.seen[rows] < len(gaps.centres)]
            if not len(late):
                return rows
            gaps.catch_up(late, float(gaps.upper[rows].min()))


Bar = tuple[float, int]
"""(upper bound, −row): compares so that of equal bounds the earlier row comes first."""


class _Front:
    """The rows with the highest upper bounds, copied into one block."""

    def __init__(self, farthest: Farthest, rows: Rows) -> None:
        self.farthest, self.gaps, self.rows = farthest, farthest.gaps, rows
        self.Y = self.gaps.near_origin(rows)
        self.upper, self.lower = self.gaps.upper[rows], self.gaps.lower[rows]
        self.outside = _first_beside(self.gaps.upper, np.arange(len(self.gaps.upper)), rows)

    def picks(self) -> Generator[int, None, bool]:
        """Yield the picks of one head; returns whether any interval was narrowed."""
        inside = top_rows(self.upper, HEAD)
        bar = max(self.outside, _first_beside(self.upper, self.rows, inside))
        head = _Head(self.gaps, self.rows[inside], self.Y[inside], self.upper[inside], self.lower[inside])
        first = len(self.gaps.centres)
        while (leader := head.leader(bar)) is not None:
            yield self.farthest._pick(int(head.rows[leader]))
            head.cover(leader)
            head.close(~self.farthest.open[head.rows])
        self._narrow(first)
        self.upper[inside], self.lower[inside] = head.upper, head.lower
        closed = ~self.farthest.open[self.rows]
        self.upper[closed] = self.lower[closed] = -np.inf
        return head.is_changed

    def _narrow(self, first: int) -> None:
        for start in range(first, len(self.gaps.centres), CENTRES):
            for block in blocks(len(self.rows)):
                self.gaps.narrow(self.Y[block], self.rows[block], start, self.upper[block], self.lower[block])

    def hand_back(self) -> None:
        self.gaps.upper[self.rows], self.gaps.lower[self.rows] = self.upper, self.lower
        self.gaps.seen[self.rows] = len(self.gaps.centres)


class _Head:
    """The HEAD highest rows of a front, with all distances among them."""

    def __init__(self, gaps: Gaps, rows: Rows, Y: NDArray[np.float32], upper: Floats, lower: Floats) -> None:
        self.gaps, self.rows, self.Y, self.upper, self.lower = gaps, rows, Y, upper, lower
        self.is_changed = False

    def leader(self, bar: Bar) -> int | None:
        """Position of the row with the largest gap; None unless it is certain to come before `bar`."""
        while (least := self.lower.max()) > -np.inf:
            rivals = np.flatnonzero(self.upper >= least)
            if len(rivals) == 1 and least > bar[0]:
                return int(rivals[0])
            if not (unknown := int((self.lower[rivals] < self.upper[rivals]).sum())):
                best = int(self.upper.argmax())
                return best if (self.upper[best], -int(self.rows[best])) > bar else None
            self._compute(max(unknown, AHEAD))
        return None

    def _compute(self, count: int) -> None:
        """Replace the `count` highest intervals by canonical gaps."""
        unknown = np.flatnonzero(self.lower < self.upper)
        at = unknown[np.argsort(-self.upper[unknown], kind="stable")[:count]]
        self.upper[at] = self.lower[at] = self.gaps.exact(self.rows[at], self.upper[at])
        self.is_changed = True

    def cover(self, leader: int) -> None:
        """Lower the bounds of the head by the centre at position `leader`."""
        distances, error = self._among
        _cut(self.upper, self.lower, distances[leader], error)
        self.is_changed = True

    def close(self, closed: NDArray[np.bool_]) -> None:
        self.upper[closed] = self.lower[closed] = -np.inf

    @cached_property
    def _among(self) -> tuple[NDArray[np.float32], Floats]:
        """(head, head) distances, and (head,) bounds of their error."""
        norms = self.gaps.norms[self.rows]
        return squared_distances(self.Y, norms, self.Y, norms), distance_error(self.Y.shape[1], norms, norms)


def _cut(upper: Floats, lower: Floats, distances: NDArray[np.float32], error: Floats) -> None:
    """Intersect the intervals (n,) in place with distance ± error to a new centre."""
    np.minimum(upper, distances + error, out=upper)
    np.minimum(lower, np.maximum(distances - error, 0), out=lower)


def _first_beside(upper: Floats, rows: Rows, inside: Rows) -> Bar:
    """The highest (bound, −row) outside the positions `inside`."""
    others = upper.copy()
    others[inside] = -np.inf
    best = int(others.argmax())
    return float(others[best]), -int(rows[best])
