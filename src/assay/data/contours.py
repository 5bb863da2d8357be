"""Outlines of a mask along the edges of its pixels: polygons that give the same mask when filled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from assay.data.masks import Mask
from assay.data.outlines import Part, Polygons, Ring, ring_area

Vertex = tuple[int, int]
"""x, y of a corner of pixels."""
RIGHT, DOWN, LEFT, UP = (1, 0), (0, 1), (-1, 0), (0, -1)


def polygons_of(mask: Mask) -> Polygons:
    """Parts with their holes. Pixels that only touch at a corner belong to different parts."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return ()
    top, left = int(rows[0]), int(columns[0])
    inside = mask[
        top : rows[-1] + 1, left : columns[-1] + 1
    ]  # traced in the box of the mask, which is often small on a large image
    return tuple(tuple(_moved(ring, left, top) for ring in part) for part in _outlines(inside))


def _moved(corners: Sequence[Vertex], left: int, top: int) -> Ring:
    return tuple(float(value) for x, y in corners for value in (x + left, y + top))


def _outlines(mask: Mask) -> list[list[list[Vertex]]]:
    loops = _loops(mask)
    owner = {edge: n for n, loop in enumerate(loops) for edge in loop}
    parts: dict[int, list[list[Vertex]]] = {}
    parent: dict[int, int] = {}
    for n, loop in sorted(enumerate(loops), key=lambda item: _top(item[1])):
        if _is_hole(loop):
            beside = owner[_edge_to_the_left(mask, _top(loop))]
            parent[n] = parent.get(beside, beside)
            parts[parent[n]].append(_corners(loop))
        else:
            parts[n] = [_corners(loop)]
    return list(parts.values())


Edge = tuple[Vertex, Vertex]
"""Start and direction of an edge of a pixel; the object is on its right."""


def _loops(mask: Mask) -> list[list[Edge]]:
    """The closed borders of a mask, each as its edges in order; clockwise around objects (y points down)."""
    leaving: dict[Vertex, list[Vertex]] = {}
    for start, way in _edges(mask):
        leaving.setdefault(start, []).append(way)
    loops = []
    while leaving:
        start = next(iter(leaving))
        first = leaving[start][-1]
        loops.append(list(_followed(leaving, start, first)))
    return loops


def _followed(leaving: dict[Vertex, list[Vertex]], start: Vertex, way: Vertex) -> Iterable[Edge]:
    """The edges of a border from `start` on. At a vertex with two edges it turns right: corners connect no parts."""
    at, first = start, way
    while True:
        yield at, way
        leaving[at].remove(way)
        if not leaving[at]:
            del leaving[at]
        at, right = (at[0] + way[0], at[1] + way[1]), (-way[1], way[0])
        if at == start and (right == first or at not in leaving):
            return
        way = right if right in leaving[at] else leaving[at][0]


def _edges(mask: Mask) -> Iterable[Edge]:
    padded = np.pad(mask, 1).astype(np.int8)
    down = np.diff(padded, axis=0)[:, 1:-1]  # (h + 1, w): 1 where an object begins below
    across = np.diff(padded, axis=1)[1:-1]  # (h, w + 1): 1 where one begins to the right
    yield from (((x, y), RIGHT) for y, x in _where(down, 1))
    yield from (((x + 1, y), LEFT) for y, x in _where(down, -1))
    yield from (((x, y + 1), UP) for y, x in _where(across, 1))
    yield from (((x, y), DOWN) for y, x in _where(across, -1))


def _where(steps: NDArray[np.int8], value: int) -> list[list[int]]:
    found: list[list[int]] = np.argwhere(steps == value).tolist()
    return found


def _top(loop: Sequence[Edge]) -> Vertex:
    """(y, x) of the first vertex in row order."""
    return min((y, x) for (x, y), _ in loop)


def _is_hole(loop: Sequence[Edge]) -> bool:
    """Whether a border is that of a hole: its topmost edge runs to the left, as the object is above it."""
    y, x = _top(loop)
    return ((x, y), RIGHT) not in loop


def _edge_to_the_left(mask: Mask, top: Vertex) -> Edge:
    """The first edge to the left of the object's pixel above a hole, whose first vertex is `top`."""
    y, x = top
    row = mask[y - 1, : x + 1][::-1]
    run = int(np.argmin(row)) if not row.all() else len(row)
    return (x + 1 - run, y), UP


def _corners(loop: Sequence[Edge]) -> list[Vertex]:
    """The vertices at which a border turns."""
    return [at for n, (at, way) in enumerate(loop) if loop[n - 1][1] != way]


def as_one_ring(parts: Sequence[Part]) -> Ring:
    """Parts and holes as one ring, connected by lines of width 0: for formats with one ring per object.

    Each ring, from the largest to the smallest, is connected to the ring so far at their nearest corners.
    """
    rings = sorted((ring for part in parts for ring in part), key=ring_area, reverse=True)
    joined = np.reshape(rings[0], (-1, 2))
    for ring in rings[1:]:
        corners = np.reshape(ring, (-1, 2))
        apart = np.abs(joined[:, None] - corners[None]).sum(axis=2)
        i, j = np.unravel_index(apart.argmin(), apart.shape)
        there_and_back = np.concatenate([np.roll(corners, -j, axis=0), corners[j : j + 1]])
        joined = np.concatenate([joined[: i + 1], there_and_back, joined[i:]])
    return tuple(joined.ravel().tolist())
