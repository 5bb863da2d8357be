"""What a mask alone shows, whatever is on the image: holes, pieces, a neck between two bodies, two that make one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

Mask = NDArray[np.bool_]
"""(h, w), of the window around an object."""

TOUCHING = np.ones((3, 3), bool)
"""Pixels that touch at a corner are one piece."""
LEVELS = 12
"""Distances to the outside at which a mask is looked at for its neck."""
BODY = 0.4
"""Least radius of a body, in that of the widest part of the mask: less is a bump of the outline."""


def holes(mask: Mask, others: Mask) -> Mask:
    """The pixels that a mask encloses and that belong to nothing, `others` being those of other objects."""
    filled: Mask = ndimage.binary_fill_holes(mask)
    return filled & ~mask & ~others


def pieces(mask: Mask) -> list[Mask]:
    """The connected parts of a mask, the largest first."""
    numbers, count = ndimage.label(mask, TOUCHING)
    order = np.argsort(-np.bincount(numbers.ravel(), minlength=count + 1)[1:], kind="stable")
    return [numbers == k + 1 for k in order.tolist()]


def neck(mask: Mask) -> tuple[float, Mask | None]:
    """How narrow the bridge between two bodies of a mask is, and the wider body's part of the mask; 0 and None: no two.

    1 − radius of the bridge / radius of the smaller body: 0 for a convex shape, near 1 for two that touch at a point.
    Each pixel goes to the body that it is nearer to.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    widest, narrow, cut = float(depth.max(initial=0)), 0.0, None
    for level in widest * np.arange(1, LEVELS) / LEVELS:
        bodies, count = ndimage.label(depth > level, TOUCHING)
        if count < 2:
            continue
        radii = np.asarray(ndimage.maximum(depth, bodies, np.arange(1, count + 1)))
        first, second = np.argsort(-radii, kind="stable")[:2].tolist()
        if radii[second] >= BODY * widest and (found := 1 - level / radii[second]) > narrow:
            narrow, cut = float(found), (bodies == first + 1, bodies == second + 1)
    if cut is None:
        return 0.0, None
    far = [ndimage.distance_transform_edt(~body) for body in cut]
    return narrow, mask & (far[0] <= far[1])


def solidity(mask: Mask) -> float:
    """Share of its convex hull that a mask fills; the hull goes around the middles of the sides of its pixels."""
    sides = []
    for one in (mask, mask.T):
        lines = np.flatnonzero(one.any(1))
        first, last = one[lines].argmax(1), one.shape[1] - one[lines, ::-1].argmax(1)
        sides.append([np.stack([end, lines + 0.5], 1) for end in (first, last)])
    across, down = sides
    return float(mask.sum() / ConvexHull(np.concatenate([*across, *(one[:, ::-1] for one in down)])).volume)


def window_of(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns of a mask of at least one pixel."""
    down, across = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    rows, columns = (slice(int(one[0]), int(one[-1]) + 1) for one in (down, across))
    return rows, columns


def edge(mask: Mask) -> Mask:
    """The pixels of a mask that have a neighbour, or the border of the window, outside of it."""
    inner: Mask = ndimage.binary_erosion(mask)
    return mask & ~inner
