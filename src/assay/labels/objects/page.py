"""Suspected objects as one self-contained HTML page: each in its surroundings, with keys; answers exported as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.data.annotations import Annotation
from assay.progress import Progress, silent
from assay.reports.crops import around, crops
from assay.reports.overlays import path_of, rectangle
from assay.reports.page import render
from assay.reports.pictures import opened

BESIDE = 100
"""Other labels that are drawn on one picture."""


def page(
    result: dict[str, Any],
    rows: Sequence[Mapping[str, Any]],
    there: Mapping[str, Sequence[Annotation]],
    pool: Path,
    pictures: int,
    progress: Progress = silent,
) -> str:
    """`rows`: of `table.rows`, with a `path`; `there`: the labels of their images; `pictures`: of the first rows."""
    wanted = {
        at: (row["id"], around(*([row["focus"]] if "focus" in row else [row["box"], row["suggested_box"]])))
        for at, row in enumerate(rows[:pictures])
    }
    images = opened(pool)
    made = {} if images is None else crops(wanted, images, progress)
    cards = [_card(row, there.get(row["id"], ()), made.get(at)) for at, row in enumerate(rows)]
    counts = Counter(row["kind"] for row in rows)
    kinds = [{"name": kind, "count": n} for kind, n in counts.most_common()]
    return render("objects.html.j2", result=result, data={"kinds": kinds, "rows": cards})


def _card(row: Mapping[str, Any], there: Sequence[Annotation], made: Any) -> dict[str, Any]:
    held = {key: row[key] for key in ("id", "split", "kind", "given", "suggested", "probability", "reason")}
    held |= {"path": row["path"] or "", "box": in_cell(row["box"]), "new": in_cell(row["suggested_box"])}
    held |= {"outlines": outlines_in_cell(row), "also": in_cell(row.get("also"))}
    if made is None:
        return held
    uri, window = made
    beside = [
        ("beside", rectangle(one.box)) for one in there[:BESIDE] if one.box and list(one.box) != row["box"]
    ]
    shapes = [*beside, *_shapes(row)]
    return held | {"picture": uri, "view": " ".join(map(str, window)), "shapes": shapes}


def _shapes(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The label and the suggestion: class in the page's style, path."""
    box, new, outlines = row["box"], row["suggested_box"], row["suggested_outlines"]
    drawn = (
        [path_of(new, one) for one in outlines] if outlines or new in (None, box) else [path_of(new, None)]
    )
    if box is None:
        return [("come", one) for one in drawn]
    if new is None:
        return [("gone", path_of(box, row["outline"]))]
    return [("was", path_of(box, row["outline"])), *(("now", one) for one in drawn)]


def in_cell(box: Sequence[float] | None) -> str:
    """A box in a cell of a table: `12.5 30 40 22`."""
    return "" if box is None else " ".join(f"{round(side, 2):.10g}" for side in box)


def outlines_in_cell(row: Mapping[str, Any]) -> str:
    """The suggested outlines in a cell of a table: a JSON list; empty without any."""
    return f"[{', '.join(row['suggested_outlines'])}]" if row["suggested_outlines"] else ""
