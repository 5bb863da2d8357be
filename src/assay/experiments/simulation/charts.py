"""The learning curves as a PNG, and the whole simulation as an HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.data.files import replacing
from assay.experiments.simulation.standing import CONTROL, needs, points
from assay.reports.page import render
from assay.strategies import COLD_START

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe & Ito (2008), distinguishable with colour blindness. The best strategies are coloured, the others grey."""
WIDTH, HEIGHT, DPI = 7.6, 4.6, 120


def shown(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """{strategy: colour} of the best ones; the control has the colour of text."""
    best = [row["name"] for row in rows if row["name"] != CONTROL]
    return dict(zip(best, COLORS, strict=False))


def picture(summary: Mapping[str, Any], file: Path) -> None:
    """A PNG: the metric over labels, the interval of the best and of the control as bands."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    colors = shown(summary["strategies"])
    banded = {CONTROL, next(iter(colors), CONTROL)}
    ordered = sorted(summary["strategies"], key=lambda row: row["name"] in colors)
    for row in ordered:
        name = row["name"]
        color = "black" if name == CONTROL else colors.get(name, "#b8b8b8")
        budgets = [point["budget"] for point in row["curve"]]
        value, low, high = ([100 * point[key] for point in row["curve"]] for key in ("value", "low", "high"))
        if name in banded:
            axes.fill_between(budgets, low, high, color=color, alpha=0.13, linewidth=0)
        style = "--" if name == CONTROL else "-"
        known = name in colors or name == CONTROL
        label = name if known else None
        axes.plot(
            budgets, value, style, color=color, marker="o" if known else None, markersize=3.5, label=label
        )
    axes.set_xscale("log")
    axes.set_xticks(summary["budgets"], [f"{budget:,}" for budget in summary["budgets"]])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("labels")
    axes.set_ylabel(f"{summary['metric']} on {summary['chosen_on']} (%)")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    place = {name: rank for rank, name in enumerate([*colors, CONTROL])}
    order = sorted(range(len(labels)), key=lambda k: place[labels[k]])
    axes.legend([handles[k] for k in order], [labels[k] for k in order], frameon=False, loc="lower right")
    with replacing(file) as aside:
        figure.savefig(aside, dpi=DPI, format="png", metadata={"Software": None})


def page(summary: Mapping[str, Any]) -> str:
    """One self-contained HTML page."""
    curves = {
        split: [{"name": row["name"], "curve": [_point(one) for one in row["curve"]]} for row in rows]
        for split, rows in ((summary["chosen_on"], summary["strategies"]), ("test", summary["test"]))
        if rows
    }
    return render(
        "simulate.html.j2",
        told=summary,
        tested={row["name"]: row for row in summary["test"] or ()},
        chart={
            "curves": curves,
            "colors": shown(summary["strategies"]),
            "control": CONTROL,
            "x": "labels",
            "y": f"{summary['metric']}, %",
        },
        level=f"{100 * summary['to_accuracy']['value']:.1f} %",
        control=CONTROL,
        cold_start=COLD_START,
        points=points,
        needs=needs,
    )


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point as the script of the page has it."""
    kept = {key: point[key] for key in ("value", "low", "high", "seeds")}
    return {"x": point["budget"], "over": point["over_random"], **kept}
