"""Plots of an evaluation, as files for `dvc plots` and MLflow.

Colours are those of Okabe & Ito (2008), and one hue from light to dark, distinguishable with colour blindness. The same
numbers give the same bytes: the files have no dates or versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from assay.data.files import write_bytes
from assay.metrics.classification import BINS, Classified, confusion
from assay.metrics.estimates import wilson
from assay.metrics.judged import Judged, Mark, is_binary, is_right
from assay.metrics.table import named as metric
from assay.reports.marks import BLUE, GREEN, MARKS, ORANGE, patch

GREY = "#777777"
MOST_WORDS = 42
"""Characters of a line above an image with objects."""
MOST_CLASSES = 30
"""Most classes drawn, those with the most mistakes: more are not legible."""
LOOKS = {"test": (BLUE, "o"), "val": (GREEN, "s"), "champion on test": (ORANGE, "D")}
COUNTED_CELLS = 20
THUMBNAILS = 24
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 110,
}


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction with its picture, uint8 (h, w, 3)."""

    id: str
    image: NDArray[np.uint8]
    given: str
    predicted: str
    confidence: float
    marks: Sequence[Mark] = ()


def draw_all(folder: Path, judged: Judged, metrics: dict[str, Any], mistakes: Sequence[Mistake]) -> None:
    """Write intervals.png and errors.png to a folder, for every task."""
    with mpl.rc_context(STYLE):
        save(intervals_figure(metrics, judged.METRICS), folder / "intervals.png")
        save(errors_figure(mistakes, errors_title(judged, len(mistakes))), folder / "errors.png")


def draw_classification(
    folder: Path,
    judged: Classified,
    categories: Sequence[str],
    metrics: dict[str, Any],
    classes: dict[str, dict[str, Any]],
) -> None:
    """Write confusion.csv and .png, calibration.png and per_class.png into a folder."""
    write_bytes(folder / "confusion.csv", confusion_csv(judged, categories))
    with mpl.rc_context(STYLE):
        save(confusion_figure(judged, categories), folder / "confusion.png")
        save(calibration_figure(judged, metrics["test"]["ece"]), folder / "calibration.png")
        save(per_class_figure(classes), folder / "per_class.png")


def confusion_csv(judged: Classified, categories: Sequence[str]) -> bytes:
    """One row `actual,predicted` for each sample, the input of the confusion template of `dvc plots`."""
    names = [_quoted(name) for name in categories]
    rows = [f"{names[a]},{names[p]}" for a, p in zip(judged.targets, judged.predicted, strict=True)]
    return "\n".join(["actual,predicted", *rows, ""]).encode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(c in name for c in ',"\n\r') else name


def confusion_figure(judged: Classified, categories: Sequence[str]) -> Figure:
    """Rows are the given classes: shade = share of the row, number = images."""
    counts = confusion(judged)
    rows = _worst(counts)
    counts, names = counts[np.ix_(rows, rows)], [categories[r] for r in rows]
    n = len(rows)
    side = min(12.0, 2.2 + 0.42 * max(n, 4))
    figure, ax = axes(side + 0.8, side)
    total = np.bincount(judged.targets, minlength=len(categories))[rows]
    shares = counts / np.maximum(total, 1)[:, None]
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=ax, shrink=0.75, label="share of the given class")
    ax.set_xticks(range(n), [cut(name) for name in names], rotation=45 if _long(names) else 0, ha="center")
    ax.set_yticks(range(n), [f"{cut(name)} ({t})" for name, t in zip(names, total, strict=True)])
    ax.set(xlabel="predicted", ylabel="given (test images)")
    ax.spines[:].set_visible(False)
    if n <= COUNTED_CELLS:
        for (i, j), count in np.ndenumerate(counts):
            if count:
                shade = "white" if shares[i, j] > 0.5 else "black"
                ax.text(j, i, str(count), ha="center", va="center", color=shade, fontsize=8)
    shown = "" if n == len(categories) else f"; the {n} classes of {len(categories)} with the most mistakes"
    right = int(judged.correct.sum())
    ax.set_title(f"{right:,} of {len(judged):,} test images right{shown}")
    return figure


def calibration_figure(judged: Classified, ece: dict[str, Any]) -> Figure:
    """Reliability diagram: share of right predictions by confidence, with the number of images."""
    figure = Figure(figsize=(5.2, 5.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    counts = np.bincount(judged.bins, minlength=BINS)
    there = np.flatnonzero(counts)
    hits, sure = (np.bincount(judged.bins, w, BINS)[there] for w in (judged.correct, judged.confidence))
    accuracy, confidence = hits / counts[there], sure / counts[there]
    bounds = np.array([wilson(h, c) for h, c in zip(hits, counts[there], strict=True)]).reshape(-1, 2)
    spread = np.abs(bounds.T - accuracy)
    top.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    top.errorbar(
        confidence,
        accuracy,
        spread,
        fmt="o-",
        color=BLUE,
        capsize=2,
        linewidth=1,
        label="model, 95 % interval",
    )
    top.set(ylabel="share that is right", ylim=(-0.02, 1.02), xlim=(0, 1.01))
    top.set_title(f"ECE {_told(ece)}, n = {len(judged):,} test images")
    top.legend(loc="lower right", frameon=False)
    edges = np.linspace(0, 1, BINS + 1)
    bottom.bar(edges[:-1], counts, width=1 / BINS, align="edge", color=BLUE, edgecolor="white")
    for edge, count in zip(edges[:-1], counts, strict=True):
        if count:
            bottom.text(edge + 0.5 / BINS, count, str(count), ha="center", va="bottom", fontsize=7)
    bottom.set(xlabel="confidence of the prediction", ylabel="images")
    bottom.margins(y=0.22)
    return figure


def intervals_figure(metrics: dict[str, Any], names: Sequence[str]) -> Figure:
    """Every proportion with its 95 % interval on test, on val and of the champion; then the first one in each slice."""
    champion = metrics["champion"] or {}
    splits = {"test": metrics["test"], "val": metrics["val"]}
    if champion.get("difference"):
        splits["champion on test"] = champion["metrics"]
    shares = [row for row in map(metric, names) if row.is_share]
    first = shares[0]
    named = [(row.title, {split: held[row.name] for split, held in splits.items()}) for row in shares]
    parts = [
        (f"{column} = {value or '(none)'}", {"test": found[first.name]})
        for column, values in metrics["test"]["slices"].items()
        for value, found in list(values.items())[:MOST_CLASSES]
    ]
    figure, ax = axes(6.4, 1.6 + 0.34 * (len(named) + len(parts)))
    for y, (_, row) in enumerate([*named, *parts]):
        for k, (split, one) in enumerate(row.items()):
            if one["value"] is not None:
                whisker(ax, y + 0.22 * (k - (len(row) - 1) / 2), one, *LOOKS[split])
    labels = [
        *(title for title, _ in named),
        *(f"{first.title}, {cut(name)} ({row['test']['n']})" for name, row in parts),
    ]
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set(xlabel="%, with 95 % intervals")
    ax.grid(axis="x", color="#e5e5e5")
    ax.set_axisbelow(True)
    handles = [Line2D([], [], marker=LOOKS[s][1], color=LOOKS[s][0], label=s) for s in splits]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    counts = ", ".join(f"{metrics[s][first.name]['n']:,} {s}" for s in ("test", "val"))
    others = ", ".join(row.title for row in map(metric, names) if not row.is_share)
    ax.set_title(f"{counts} images; {others} in metrics.csv" if others else f"{counts} images")
    return figure


def whisker(ax: Axes, y: float, one: dict[str, Any], color: str, marker: str) -> None:
    low, value, high = (100 * one[key] for key in ("low", "value", "high"))
    ax.plot([low, high], [y, y], color=color, linewidth=2, alpha=0.45, solid_capstyle="butt")
    ax.plot(value, y, marker, color=color, markersize=5)


def per_class_figure(classes: dict[str, dict[str, Any]]) -> Figure:
    """F1 of each class with its interval, with recall and precision; the worst class on top."""
    measured = {name: row for name, row in classes.items() if row["f1"]["n"]}
    names = sorted(measured, key=lambda name: float(measured[name]["f1"]["value"] or 0))[:MOST_CLASSES]
    figure, ax = axes(6.4, 1.4 + 0.3 * max(len(names), 2))
    for y, name in enumerate(names):
        f1, recall, precision = (classes[name][key] for key in ("f1", "recall", "precision"))
        ax.plot([f1["low"], f1["high"]], [y, y], color=BLUE, linewidth=2, alpha=0.45, solid_capstyle="butt")
        ax.plot(f1["value"], y, "o", color=BLUE)
        ax.plot(recall["value"], y, "|", color=ORANGE, markersize=11, markeredgewidth=2)
        if precision["value"] is not None:
            ax.plot(precision["value"], y, "x", color=GREEN, markersize=6, markeredgewidth=1.5)
    _legend(figure)
    ax.set_yticks(range(len(names)), [f"{cut(name)} ({classes[name]['f1']['n']})" for name in names])
    ax.invert_yaxis()
    ax.set(xlim=(_floor(measured), 1.02), xlabel="score on the test images", ylabel="class (test images)")
    ax.grid(axis="x", color="#e5e5e5")
    ax.set_axisbelow(True)
    left_out = len(measured) - len(names)
    ax.set_title("worst class first" + (f"; {left_out} better classes not shown" if left_out else ""))
    return figure


def _floor(classes: dict[str, dict[str, Any]]) -> float:
    """Lower limit of the axis: the multiple of 0.1 below all values drawn."""
    drawn = [row["f1"]["low"] for row in classes.values()]
    drawn += [row[key]["value"] for row in classes.values() for key in ("recall", "precision")]
    return float(np.floor(min((value for value in drawn if value is not None), default=0.0) * 10) / 10)


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], marker="o", color=BLUE, label="F1, 95 % interval"),
        Line2D(
            [], [], marker="|", color=ORANGE, markersize=11, markeredgewidth=2, linestyle="", label="recall"
        ),
        Line2D([], [], marker="x", color=GREEN, markeredgewidth=1.5, linestyle="", label="precision"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def errors_title(judged: Judged, shown: int) -> str:
    """What the images of `errors_figure` are."""
    n, wrong = len(judged), int((~is_right(judged.quality)).sum())
    if not shown:
        return f"all of the {n:,} test images are right"
    if is_binary(judged.quality):
        return (
            f"{wrong:,} of {n:,} test images are wrong; the {shown} of highest confidence: given → predicted"
        )
    return f"the {shown} of {n:,} test images with the lowest quality: given → predicted"


def errors_figure(mistakes: Sequence[Mistake], title: str) -> Figure:
    """The worst predictions; their labels are often wrong. Objects: given green, right blue, wrong orange."""
    columns = 3 if any(one.marks for one in mistakes) else 6
    rows = max(1, -(-len(mistakes) // columns))
    shape = np.median([one.image.shape[0] / one.image.shape[1] for one in mistakes]) if columns == 3 else 1
    figure = Figure(figsize=(9, 0.6 + (8.1 * shape + 3) / columns * rows), layout="constrained")
    figure.suptitle(title, fontsize=10)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in cells:
        ax.axis("off")
    for ax, mistake in zip(cells, mistakes, strict=False):
        _thumbnail(ax, mistake)
    if columns == 3:
        looks = MARKS.items()
        handles = [Line2D([], [], color=color, linestyle=style, label=kind) for kind, (color, style) in looks]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _thumbnail(ax: Axes, one: Mistake) -> None:
    tiny = max(one.image.shape[:2]) < 64
    ax.imshow(one.image, interpolation="nearest" if tiny else "antialiased")
    for mark in one.marks:
        ax.add_patch(patch(mark))
    most, between = (MOST_WORDS, "\n→ ") if one.marks else (12, " → ")
    ax.set_title(
        f"{cut(one.given, most)}{between}{cut(one.predicted, most)}", fontsize=9, loc="center", pad=3
    )
    below: dict[str, Any] = {
        "transform": ax.transAxes,
        "ha": "center",
        "va": "top",
        "fontsize": 7,
        "color": GREY,
    }
    sure = "" if np.isnan(one.confidence) else f"{one.confidence:.0%}  "
    ax.text(0.5, -0.04, f"{sure}{one.id[:8]}", **below)


def _worst(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of all classes, or of the MOST_CLASSES with the most mistakes, in order."""
    wrong = counts.sum(1) + counts.sum(0) - 2 * np.diag(counts)
    return np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])


def axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _told(estimate: dict[str, Any]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def cut(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _long(names: Sequence[str]) -> bool:
    return max((len(name) for name in names), default=0) > 3


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})
