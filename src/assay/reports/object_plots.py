"""Plots of models that find objects or classify pixels: how well each class is found, and on which images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from assay.metrics.average_precision import RECALLS, precision_at_recalls, rank
from assay.metrics.detected import AT_75, Detected
from assay.metrics.semantic_segmentation import TERMS, PixelsClassified
from assay.metrics.table import named as metric
from assay.reports.marks import BLUE
from assay.reports.plots import GREY, LOOKS, MOST_CLASSES, STYLE, axes, cut, save, whisker

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
        save(per_class_figure(classes, ("ap50", "ap"), "objects"), folder / "per_class.png")


def draw_semantic_segmentation(
    folder: Path,
    judged: PixelsClassified,
    categories: Sequence[str],
    metrics: dict[str, Any],
    classes: dict[str, dict[str, Any]],
) -> None:
    """Write images.png and per_class.png to a folder."""
    with mpl.rc_context(STYLE):
        save(images_figure(judged), folder / "images.png")
        save(per_class_figure(classes, ("dice", "iou"), "images"), folder / "per_class.png")


def images_figure(judged: PixelsClassified) -> Figure:
    """The IoU of each image against the pixels of the objects on it: whether few images fail or all, and large ones."""
    there = judged.pixels[..., TERMS.index("there")].sum(1)
    areas = np.array([one.height * one.width for one in judged.images])
    figure, ax = axes(6.0, 3.6)
    ax.scatter(100 * there / areas, 100 * judged.quality, s=14, color=BLUE, alpha=0.7, linewidths=0)
    middle = 100 * float(np.median(judged.quality))
    ax.axhline(middle, color=GREY, linewidth=1, linestyle="--")
    ax.set(xlabel="pixels of objects, % of the image", ylabel="mean IoU of the image, %", ylim=(-2, 102))
    ax.set_title(f"{len(judged):,} test images; half of them are at {middle:.1f} % or above")
    return figure


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


def per_class_figure(classes: dict[str, dict[str, Any]], metrics: tuple[str, str], counted: str) -> Figure:
    """Two metrics of each class, the more forgiving first, with their 95 % intervals; the lowest class first."""
    upper, lower = metrics
    there = {name: rows for name, rows in classes.items() if rows[lower]["value"] is not None}
    names = sorted(there, key=lambda name: there[name][lower]["value"])[:MOST_CLASSES]
    figure, ax = axes(6.0, 1.2 + 0.34 * max(len(names), 1))
    for place, name in enumerate(reversed(names)):
        for shift, key, (color, marker) in ((0.14, upper, LOOKS["val"]), (-0.14, lower, LOOKS["test"])):
            whisker(ax, place + shift, there[name][key], color, marker)
    ax.set_yticks(np.arange(len(names)), [f"{cut(n)} ({there[n][lower]['n']})" for n in reversed(names)])
    titles = [metric(key).title for key in (lower, upper)]
    ax.set(
        xlabel=f"{titles[0]} (blue) and {titles[1]} (green) on the test images, %, with 95 % intervals",
        ylabel=f"class ({counted})",
    )
    return figure
