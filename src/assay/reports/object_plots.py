"""Plots of detectors: precision against recall, and the average precision of each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from assay.metrics.average_precision import RECALLS, precision_at_recalls, rank
from assay.metrics.detected import AT_75, Detected
from assay.metrics.table import named as metric
from assay.reports.marks import BLUE
from assay.reports.plots import GREY, LOOKS, STYLE, axes, cut, save, whisker

MOST_CURVES = 12
"""Classes with a curve of their own: those with the lowest AP."""
COLUMNS = 4


def draw_detection(
    folder: Path,
    judged: Detected,
    categories: Sequence[str],
    metrics: dict[str, Any],
    classes: dict[str, dict[str, Any]],
) -> None:
    """Write curves.png and per_class.png to a folder."""
    with mpl.rc_context(STYLE):
        save(curves_figure(judged, categories, classes), folder / "curves.png")
        save(per_class_figure(classes), folder / "per_class.png")


def curves_figure(judged: Detected, categories: Sequence[str], classes: dict[str, dict[str, Any]]) -> Figure:
    """Precision at each recall, a panel for each class, at IoU .50 and .75; as average precision takes it."""
    ranked = rank(judged.detections, judged.truth, judged.matched, judged.classes)
    shown = [k for k, name in enumerate(categories) if classes[name]["ap"]["value"] is not None]
    shown = sorted(shown, key=lambda k: classes[categories[k]]["ap"]["value"])[:MOST_CURVES]
    rows = max(1, -(-len(shown) // COLUMNS))
    figure = Figure(figsize=(2.5 * min(COLUMNS, max(len(shown), 1)), 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, min(COLUMNS, max(len(shown), 1)), squeeze=False, sharex=True, sharey=True)
    for ax in panels.ravel()[len(shown) :]:
        ax.axis("off")
    for ax, k in zip(panels.ravel(), shown, strict=False):
        for t, color, name in ((0, BLUE, "IoU .50"), (AT_75, GREY, "IoU .75")):
            ax.plot(RECALLS, precision_at_recalls(ranked[k], t), color=color, linewidth=1.3, label=name)
        ap = metric("ap").interval(classes[categories[k]]["ap"])
        ax.set_title(f"{cut(categories[k])}: AP {ap}", fontsize=8)
        ax.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
        ax.label_outer()
    if shown:
        panels[0, 0].legend(loc="lower left", frameon=False, fontsize=8)
    return figure


def per_class_figure(classes: dict[str, dict[str, Any]]) -> Figure:
    """AP and AP50 of each class with their 95 % intervals, the lowest first."""
    there = {name: rows for name, rows in classes.items() if rows["ap"]["value"] is not None}
    names = sorted(there, key=lambda name: there[name]["ap"]["value"])[:30]
    figure, ax = axes(6.0, 1.2 + 0.34 * max(len(names), 1))
    for place, name in enumerate(reversed(names)):
        for shift, key, (color, marker) in ((0.14, "ap50", LOOKS["val"]), (-0.14, "ap", LOOKS["test"])):
            whisker(ax, place + shift, there[name][key], color, marker)
    ax.set_yticks(np.arange(len(names)), [f"{cut(n)} ({there[n]['ap']['n']})" for n in reversed(names)])
    ax.set(
        xlabel="AP (blue) and AP50 (green) on the test images, %, with 95 % intervals",
        ylabel="class (objects)",
    )
    return figure
