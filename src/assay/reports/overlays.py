"""Objects drawn over pictures: the paths of an SVG in the pixels of the image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.data.contours import polygons_of
from assay.data.masks import decode
from assay.data.outlines import RLE

MOST = 300
"""Objects that are drawn on one picture."""
POINTS = 120
"""Corners of a ring that are drawn, evenly spread: a picture on a page is small."""
Shape = tuple[str, str]
"""Its class in the page's style, and its path."""


def overlays(objects: pa.Table, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """{id: what is drawn on it} for the changed objects (OBJECTS) on some images.

    `size`: [width, height]; `shapes`: [[class, path], …], what was there before below what is there now; `said`: how
    many changed in which way.
    """
    rows = objects.filter(pc.is_in(objects["id"], value_set=pa.array(sorted(ids), pa.string())))
    of: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        of.setdefault(row["id"], []).append(row)
    return {sample: _overlay(changed) for sample, changed in of.items()}


def _overlay(changed: list[dict[str, Any]]) -> dict[str, Any]:
    counts = Counter(kind for row in changed for kind in row["kinds"])
    shapes = [shape for row in changed[:MOST] for shape in _shapes(row)]
    return {
        "size": [changed[0]["width"], changed[0]["height"]],
        "shapes": sorted(shapes, key=lambda shape: shape[0] != "was"),
        "said": ", ".join(f"{n} {kind}" for kind, n in counts.most_common()),
    }


def _shapes(row: dict[str, Any]) -> list[Shape]:
    both = row["box_before"] is not None and row["box_after"] is not None
    shapes = []
    for side, name in (("before", "was" if both else "gone"), ("after", "now" if both else "come")):
        if row[f"box_{side}"] is not None:
            shapes.append((name, path_of(row[f"box_{side}"], row[f"outline_{side}"])))
    return shapes


def path_of(box: Sequence[float], outline: str | None) -> str:
    """The path of an object: of its outline, as canonical JSON, or of its box."""
    if outline is None:
        return rectangle(box)
    return "".join(_ring(ring) for part in _parts(json.loads(outline)) for ring in part)


def rectangle(box: Sequence[float]) -> str:
    """The path of a box (x, y, width, height)."""
    x, y, w, h = (f"{value:.4g}" for value in box)
    return f"M{x} {y}h{w}v{h}h-{w}z"


def _parts(outline: Any) -> Sequence[Sequence[Sequence[float]]]:
    if isinstance(outline, dict):
        return polygons_of(decode(RLE.model_validate(outline)))
    return [part if isinstance(part[0], list) else [part] for part in outline]


def _ring(ring: Sequence[float]) -> str:
    corners = np.reshape(ring, (-1, 2))
    if len(corners) > POINTS:
        corners = corners[np.linspace(0, len(corners) - 1, POINTS).round().astype(int)]
    return "M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in corners.tolist()) + "z"
