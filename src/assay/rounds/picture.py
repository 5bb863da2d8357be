"""Plot of the learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.data.files import replacing
from assay.metrics.table import named

COLOR = "#0072B2"
WIDTH, HEIGHT, DPI = 7.2, 4.2, 120
BESIDE: dict[str, Any] = {
    "xytext": (0, -9),
    "textcoords": "offset points",
    "fontsize": 7,
    "va": "top",
    "ha": "center",
    "bbox": {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
}
"""Style of the name of a round, under its point."""


def curve(told: Mapping[str, Any], file: Path) -> bool:
    """Write a PNG: the metric on test over the training labels, with interval. False if nothing was measured yet."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    measured = named(told["metric"])
    rows = [row for row in told["rounds"] if row["test"] is not None]
    if not rows:
        return False
    labels = [row["labelled"].get("train", 0) for row in rows]
    value, low, high = (
        [measured.scale * row["test"][key] for row in rows] for key in ("value", "low", "high")
    )
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(labels, low, high, color=COLOR, alpha=0.15, linewidth=0, label="95 % interval")
    axes.plot(labels, value, color=COLOR, marker="o")
    for row, x, y in zip(rows, labels, value, strict=True):
        name = f"round {row['number']}" if row["number"] else "start"
        gain = f"\n{measured.change(row['difference'])}" if row["difference"] else ""
        axes.annotate(name + gain, (x, y), **BESIDE)
    axes.margins(x=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("labelled training images")
    axes.set_ylabel(f"{measured.label} on test")
    axes.set_title(f"iterate {told['name']}: {told['strategy']}, answered by {told['annotator']}", fontsize=9)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    with replacing(file) as aside:
        figure.savefig(aside, dpi=DPI, format="png", metadata={"Software": None})
    return True
