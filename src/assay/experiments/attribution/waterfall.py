"""Waterfall plot of one metric: A, the share of each player, B."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from assay.experiments.attribution.effects import Decomposition, Share
from assay.metrics.table import Metric, named
from assay.reports.marks import BLUE, ORANGE
from assay.reports.plots import GREY, STYLE

LOOKS: dict[str, Any] = {
    "helped": {"facecolor": BLUE, "edgecolor": BLUE, "hatch": ""},
    "hurt": {"facecolor": "white", "edgecolor": ORANGE, "hatch": "////"},
    "can't tell": {"facecolor": "white", "edgecolor": GREY, "hatch": ".."},
}
"""Verdicts differ in fill as well as in colour."""


DATELESS: dict[str, Any] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""Metadata of each format switched off: dates and versions would make the bytes differ."""


def waterfall(one: Decomposition, to: Path | Axes, title: str | None = None) -> None:
    """Draw into axes, or write a file (PNG, SVG, …: by its suffix)."""
    if isinstance(to, Axes):
        _draw(one, to, title)
        return
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.6 + 1.1 * (len(one.shares) + 2), 4.0), layout="constrained")
        _draw(one, figure.subplots(), title)
        figure.savefig(to, metadata=DATELESS.get(to.suffix))


def _draw(one: Decomposition, ax: Axes, title: str | None) -> None:
    metric = named(one.metric)
    names = ["A", *(share.player for share in one.shares), "B"]
    last, level = len(names) - 1, one.a
    for x, share in enumerate(one.shares, start=1):
        _step(ax, x, level)
        _bar(ax, x, level, share, metric)
        level += share.value
    _step(ax, last, level)
    for x, value in ((0, one.a), (last, one.b)):
        ax.plot([x - 0.35, x + 0.35], [value, value], color="black", linewidth=2.5, solid_capstyle="butt")
        _number(ax, x, value, metric.level({"value": value}))
    long = max(len(name) for name in names) > 11
    ax.set_xticks(range(len(names)), [_cut(name) for name in names], rotation=30 if long else 0)
    ax.set(ylabel=_title(one, metric) + " (%)" * metric.is_share)
    if metric.is_share:
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}"))
    ax.use_sticky_edges = False  # else the first bar ends at the frame
    ax.margins(x=0.03, y=0.12)
    ax.set_title(
        title or f"{_title(one, metric)}: {_points(metric, one.total.value)} from A to B, 95 % intervals"
    )
    verdicts = [share.verdict for share in one.shares]
    handles = [Patch(label=name, **look) for name, look in LOOKS.items() if name in verdicts]
    ax.legend(handles=handles, frameon=False, fontsize=8, loc="best")


def _bar(ax: Axes, x: int, level: float, share: Share, metric: Metric) -> None:
    """A bar from the level before the player to the level after it, with the interval at its end."""
    ax.bar(x, share.value, 0.7, bottom=level, linewidth=1.2, **LOOKS[share.verdict])
    spread = [[share.value - share.low], [share.high - share.value]]
    ax.errorbar(x, level + share.value, spread, color="black", capsize=3, linewidth=1.1)
    _number(ax, x, max(level, level + share.high), metric.number(share.value, "+"))


def _title(one: Decomposition, metric: Metric) -> str:
    return metric.title if one.category is None else f"{metric.title} of {one.category}"


def _points(metric: Metric, value: float) -> str:
    return f"{metric.number(value, '+')}{' points' * metric.is_share}"


def _step(ax: Axes, x: int, level: float) -> None:
    """A dotted line from one bar to the next."""
    ax.plot([x - 1.35, x + 0.35], [level, level], color=GREY, linewidth=0.8, linestyle=":")


def _number(ax: Axes, x: int, y: float, told: str) -> None:
    ax.annotate(told, (x, y), (0, 4), textcoords="offset points", ha="center", fontsize=8)


def _cut(name: str, most: int = 18) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
