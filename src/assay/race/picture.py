"""The two curves as a picture, for MLflow and for paper, and as a page with all there is to know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay import reports
from assay.data.files import replacing
from assay.race.course import TRACKS
from assay.race.verdict import NAMES, SHARES, level

COLORS = {"data": "#D55E00", "model": "#0072B2"}
"""Okabe & Ito (2008): apart for people who are colour-blind too."""
WIDTH, HEIGHT, DPI = 7.2, 4.2, 120


def curves(summary: Mapping[str, Any], file: Path) -> None:
    """A PNG: the metric of both tracks over the steps, 95 % intervals as bands."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    factor = 100 if summary["metric"] in SHARES else 1
    for track in TRACKS:
        rows = summary["tracks"][track]
        steps = [row["step"] for row in rows]
        value, low, high = ([factor * row[key] for row in rows] for key in ("value", "low", "high"))
        axes.fill_between(steps, low, high, color=COLORS[track], alpha=0.15, linewidth=0)
        axes.plot(steps, value, color=COLORS[track], marker="o", label=f"{track} track")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"step (data: {summary['race']['labels_per_step']} labels, model: a trial)")
    name = NAMES.get(summary["metric"], summary["metric"])
    axes.set_ylabel(f"{name} on test{' (%)' if factor == 100 else ''}")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    with replacing(file) as aside:
        figure.savefig(aside, dpi=DPI, format="png", metadata={"Software": None})


def page(summary: Mapping[str, Any]) -> str:
    """One self-contained HTML page."""
    metric = summary["metric"]
    factor, name = (100 if metric in SHARES else 1), NAMES.get(metric, metric)
    chart = {
        "factor": factor,
        "name": name,
        "tracks": {track: summary["tracks"][track] for track in TRACKS},
        "seeds": [_seed(summary, seed, track) for seed in summary["seeds"] for track in TRACKS],
    }
    return reports.page(
        "race.html.j2",
        race=summary,
        chart=chart,
        factor=factor,
        name=name,
        names=NAMES,
        level=lambda row: level(row, metric),
    )


def _seed(summary: Mapping[str, Any], seed: int, track: str) -> dict[str, Any]:
    """What one seed's track stood by after each step, on test, and what each step itself came to (None: failed)."""
    rows = [row for row in summary["runs"] if row["seed"] == seed and row["track"] in ("baseline", track)]
    tested = {row["step"]: row["test"] for row in rows}
    return {
        "seed": seed,
        "track": track,
        "values": [tested[row["stands_by"]] for row in rows],
        "tried": [row["test"] for row in rows],
    }
