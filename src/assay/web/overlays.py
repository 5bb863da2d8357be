"""Objects to draw over a thumbnail, in few bytes: at most MOST, long outlines as coarse as a thumbnail shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from assay.data import runs

MOST = 200
"""Most objects of an image."""
LONG = 600
"""Characters of run lengths, from which on a mask is sampled."""
SIDE, CORNERS = 160, 60
"""Longest side of a sampled mask, px; most corners of a ring."""
Shape = dict[str, Any]


def overlay(notes: Sequence[Mapping[str, Any]]) -> list[Shape]:
    """Annotations as parsed JSON -> {category, and bbox or segmentation}; without the classes of the whole image.

    A polygon may lack corners. A sampled mask has a `size` of its own, and `counts` as numbers.
    """
    shapes = ({"category": note["category"], **_shape(note)} for note in notes)
    return list(islice((one for one in shapes if len(one) > 1), MOST))


def _shape(note: Mapping[str, Any]) -> Shape:
    outline = note.get("segmentation")
    if outline is None:
        return {"bbox": note["bbox"]} if note.get("bbox") else {}
    if isinstance(outline, list):
        return {"segmentation": [_thinned_part(part) for part in outline]}
    if len(outline["counts"]) > LONG and (counts := _sampled(outline)) is not None:
        return {"segmentation": counts}
    return {"segmentation": outline}


def _thinned_part(part: list[Any]) -> list[Any]:
    return [_thinned(ring) for ring in part] if isinstance(part[0], list) else _thinned(part)


def _thinned(ring: list[float]) -> list[float]:
    """A ring x, y, x, y … with every k-th corner."""
    step = -(-len(ring) // (2 * CORNERS))
    return np.reshape(ring, (-1, 2))[::step].ravel().tolist()


def _sampled(mask: Mapping[str, Any]) -> Shape | None:
    """A mask at the pixels that a thumbnail has; None if none of them is of the object, or it has no more pixels."""
    height, width = mask["size"]
    if (scale := SIDE / max(height, width)) >= 1:
        return None
    size = max(1, round(height * scale)), max(1, round(width * scale))
    rows, columns = (
        ((np.arange(n) + 0.5) * of / n).astype(np.int64) for n, of in zip(size, mask["size"], strict=True)
    )
    ends = np.cumsum(runs.uncompressed(mask["counts"]))
    inside = np.searchsorted(ends, (columns[:, None] * height + rows).ravel(), "right") % 2 == 1
    if not inside.any():
        return None
    changes = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    counts = np.diff(np.concatenate([[0], changes, [inside.size]]))
    return {"size": list(size), "counts": counts.tolist()}
