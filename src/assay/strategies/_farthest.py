"""Which row is farthest from everything chosen so far, again and again, without looking at every row each time.

A *gap* is the canonical distance (see `_geometry`) from a row to the nearest centre. A new centre can only make gaps
smaller, so a gap that has not been looked at for a while is still an upper bound (M. Minoux: Accelerated Greedy
Algorithms for Maximizing Submodular Set Functions. 1978). Three levels follow from it:

    all rows    an interval for each gap, and how many centres it has seen; caught up by matrix products, highest first,
                until as many as the front has room for have seen every centre
    the front   these rows, copied side by side; caught up at once with all centres that the head has brought forth
    the head    the HEAD highest of the front, with all distances among them: a pick costs one row of that table

A pick stands when its gap is certain to be above every other upper bound. Where intervals overlap, the gaps themselves
are computed. So the picks are those of the plain greedy algorithm, of equal gaps the earlier row.
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
"""Rows: an eighth of all, within these. A quarter of it where there are so many centres that seeing them all costs."""
HEAD = 256
MANY = 2 * CENTRES
"""Centres from which on it pays to look around for a near one first."""
AHEAD = 16
"""Rows whose gaps are computed together when two intervals overlap: the next ones will be wanted soon."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Gaps:
    """An interval for the gap of every row, narrowed only where somebody asks."""

    def __init__(self, X: NDArray[np.float32], centres: Rows) -> None:
        """X (n, d), which may be a memory map: it is read in blocks and never copied. The centres are rows of it."""
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
        """(n,) with how many of the centres, the first ones, a row has been compared."""

    def near_origin(self, rows: Rows) -> NDArray[np.float32]:
        """A copy of these rows, from the mean: the shorter the vectors, the smaller the error."""
        Y = self.X.take(rows, axis=0)
        Y -= self.origin
        return Y

    def narrow(self, Y: NDArray[np.float32], rows: Rows, first: int, upper: Floats, lower: Floats) -> None:
        """Compare `rows`, whose `near_origin` is Y, with the centres from `first` on, CENTRES at most; in place."""
        distances, error = self.between(Y, rows, np.array(self.centres[first : first + CENTRES]))
        _cut(upper, lower, distances.min(axis=0), error)

    def look_around(self, rows: Rows) -> None:
        """A first upper bound for `rows`, where there are many centres: the distances to some of them, the pivots, and
        to those around the nearest pivot. Few rows have to be compared with all centres after that.
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
        """(rows,) which pivot is nearest."""
        found = [
            self.between(self.near_origin(rows[b]), rows[b], pivots)[0].argmin(axis=0)
            for b in blocks(len(rows))
        ]
        return np.concatenate(found or [np.empty(0, np.int64)])

    def between(
        self, Y: NDArray[np.float32], rows: Rows, centres: Rows
    ) -> tuple[NDArray[np.float32], Floats]:
        """(centres, rows) distances from `rows`, whose `near_origin` is Y, and (rows,) how wrong they can be."""
        norms, others = self.norms[rows], self.norms[centres]
        distances = squared_distances(Y, norms, self.near_origin(centres), others)
        return distances, distance_error(self.X.shape[1], norms, others)

    def catch_up(self, rows: Rows, enough: float) -> None:
        """Compare `rows` with every centre they have not seen, or with so many that their gap is below `enough`."""
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
        """The gaps of rows that have seen every centre, where `upper` bounds them."""
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
    """The rows of X (n, d) that are no centres, each time the one with the largest gap, which then is a centre."""

    def __init__(self, X: NDArray[np.float32], centres: Rows) -> None:
        self.gaps = Gaps(X, centres)
        self.open = np.ones(len(X), bool)
        self.drop(centres)

    def drop(self, rows: Rows) -> None:
        """These are not to be picked any more; also while picking."""
        self.open[rows] = False
        self.gaps.upper[rows] = self.gaps.lower[rows] = -np.inf

    def __iter__(self) -> Iterator[int]:
        """O(n·d) for the first pick and for each time that the front is used up; O(d·HEAD) and less between them."""
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
        """The open rows with the highest upper bounds, all of which have seen every centre."""
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
"""An upper bound and minus its row: of equal gaps the earlier row comes first."""


class _Front:
    """Rows with the highest upper bounds, side by side in memory."""

    def __init__(self, farthest: Farthest, rows: Rows) -> None:
        self.farthest, self.gaps, self.rows = farthest, farthest.gaps, rows
        self.Y = self.gaps.near_origin(rows)
        self.upper, self.lower = self.gaps.upper[rows], self.gaps.lower[rows]
        self.outside = _first_beside(self.gaps.upper, np.arange(len(self.gaps.upper)), rows)

    def picks(self) -> Generator[int, None, bool]:
        """What can be picked from one head; whether anything has come of it."""
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
    """The foremost of the front, with all distances among them."""

    def __init__(self, gaps: Gaps, rows: Rows, Y: NDArray[np.float32], upper: Floats, lower: Floats) -> None:
        self.gaps, self.rows, self.Y, self.upper, self.lower = gaps, rows, Y, upper, lower
        self.is_changed = False

    def leader(self, bar: Bar) -> int | None:
        """The position of the row whose gap is the largest, if it is certainly before `bar`."""
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
        """Gaps in place of the highest `count` intervals."""
        unknown = np.flatnonzero(self.lower < self.upper)
        at = unknown[np.argsort(-self.upper[unknown], kind="stable")[:count]]
        self.upper[at] = self.lower[at] = self.gaps.exact(self.rows[at], self.upper[at])
        self.is_changed = True

    def cover(self, leader: int) -> None:
        """Take the row at this position for a centre."""
        distances, error = self._among
        _cut(self.upper, self.lower, distances[leader], error)
        self.is_changed = True

    def close(self, closed: NDArray[np.bool_]) -> None:
        self.upper[closed] = self.lower[closed] = -np.inf

    @cached_property
    def _among(self) -> tuple[NDArray[np.float32], Floats]:
        """(head, head) distances, (head,) how wrong they can be."""
        norms = self.gaps.norms[self.rows]
        return squared_distances(self.Y, norms, self.Y, norms), distance_error(self.Y.shape[1], norms, norms)


def _cut(upper: Floats, lower: Floats, distances: NDArray[np.float32], error: Floats) -> None:
    """What one more distance, give or take the error, leaves of the intervals; in place."""
    np.minimum(upper, distances + error, out=upper)
    np.minimum(lower, np.maximum(distances - error, 0), out=lower)


def _first_beside(upper: Floats, rows: Rows, inside: Rows) -> Bar:
    """The first of those at other positions than `inside`; of all rows if there are none."""
    others = upper.copy()
    others[inside] = -np.inf
    best = int(others.argmax())
    return float(others[best]), -int(rows[best])
