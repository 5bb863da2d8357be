"""The curves as a PNG, and the whole study as an HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.data.files import replacing
from assay.metrics.table import named
from assay.params.effort import act_of
from assay.reports.page import render

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe & Ito (2008), distinguishable with colour blindness. The best schemes are coloured, the others grey."""
WIDTH, HEIGHT, DPI = 7.6, 4.6, 120


def by_mean(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Schemes by falling mean over the budgets, the control first."""
    control, *others = rows
    return [control, *sorted(others, key=lambda row: -sum(point["value"] for point in row["curve"]))]


def shown(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """{scheme: colour} of the best ones; the control has the colour of text."""
    return dict(zip([row["name"] for row in by_mean(rows)[1:]], COLORS, strict=False))


def picture(summary: Mapping[str, Any], file: Path) -> None:
    """A PNG: the metric over the hours, with 95 % intervals as bars beside each other."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes, colors, rows = figure.subplots(), shown(summary["schemes"]), by_mean(summary["schemes"])
    control, metric = rows[0]["name"], named(summary["metric"])
    for k, row in enumerate(rows):
        beside = 1.02 ** (k - len(rows) / 2)
        hours = [point["hours"] * beside for point in row["curve"]]
        value, low, high = (
            [metric.scale * point[key] for point in row["curve"]] for key in ("value", "low", "high")
        )
        spread = [
            [v - a for v, a in zip(value, low, strict=True)],
            [b - v for v, b in zip(value, high, strict=True)],
        ]
        color = "black" if row["name"] == control else colors.get(row["name"], "#b8b8b8")
        style = "o--" if row["name"] == control else "o-"
        axes.errorbar(
            hours, value, spread, fmt=style, color=color, markersize=3.5, elinewidth=0.8, label=row["name"]
        )
    axes.set_xscale("log")
    axes.set_xticks(summary["hours"], [f"{hours:g}" for hours in summary["hours"]])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("hours of annotation")
    axes.set_ylabel(f"{metric.label} on test")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    with replacing(file) as aside:
        figure.savefig(aside, dpi=DPI, format="png", metadata={"Software": None})


def page(summary: Mapping[str, Any]) -> str:
    """One self-contained HTML page."""
    rows, metric = by_mean(summary["schemes"]), named(summary["metric"])
    return render(
        "effort.html.j2",
        told=summary,
        metric=metric,
        control=rows[0]["name"],
        act_of=act_of,
        chart={
            "curves": {
                "test": [{"name": row["name"], "curve": list(map(_point, row["curve"]))} for row in rows]
            },
            "colors": shown(rows),
            "control": rows[0]["name"],
            "x": "hours",
            "y": metric.label.replace(" (%)", ", %"),
        },
    )


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point as the script of the page has it."""
    kept = {key: point[key] for key in ("value", "low", "high", "seeds")}
    return {"x": point["hours"], "over": point["over_control"], **kept}
