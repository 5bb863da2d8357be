"""The curves of both tracks as a PNG, and the whole race as an HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.data.files import replacing
from assay.experiments.race.training_order import TRACKS
from assay.metrics.table import named
from assay.reports.page import render

COLORS = {"data": "#D55E00", "model": "#0072B2"}
"""Okabe & Ito (2008), distinguishable with colour blindness."""
WIDTH, HEIGHT, DPI = 7.2, 4.2, 120


def curves(summary: Mapping[str, Any], file: Path) -> None:
    """A PNG: the metric of both tracks over the steps, 95 % intervals as bands."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    measured = named(summary["metric"])
    for track in TRACKS:
        rows = summary["tracks"][track]
        steps = [row["step"] for row in rows]
        value, low, high = ([measured.scale * row[key] for row in rows] for key in ("value", "low", "high"))
        axes.fill_between(steps, low, high, color=COLORS[track], alpha=0.15, linewidth=0)
        axes.plot(steps, value, color=COLORS[track], marker="o", label=f"{track} track")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"step (data: {summary['race']['labels_per_step']} labels, model: a trial)")
    axes.set_ylabel(f"{measured.label} on test")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    with replacing(file) as aside:
        figure.savefig(aside, dpi=DPI, format="png", metadata={"Software": None})


def page(summary: Mapping[str, Any]) -> str:
    """One self-contained HTML page."""
    measured = named(summary["metric"])
    chart = {
        "factor": measured.scale,
        "name": measured.title,
        "tracks": {track: summary["tracks"][track] for track in TRACKS},
        "seeds": [_seed(summary, seed, track) for seed in summary["seeds"] for track in TRACKS],
    }
    return render(
        "race.html.j2",
        race=summary,
        chart=chart,
        measured=measured,
    )


def _seed(summary: Mapping[str, Any], seed: int, track: str) -> dict[str, Any]:
    """Metric on test of one seed: of the model kept after each step, and of the model of each step (None: failed)."""
    rows = [row for row in summary["runs"] if row["seed"] == seed and row["track"] in ("baseline", track)]
    tested = {row["step"]: row["test"] for row in rows}
    return {
        "seed": seed,
        "track": track,
        "values": [tested[row["stands_by"]] for row in rows],
        "tried": [row["test"] for row in rows],
    }
