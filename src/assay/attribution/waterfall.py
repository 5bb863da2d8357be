"""The waterfall of one metric: A, what each player did to it, B."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from assay.attribution.effects import Decomposition, Share
from assay.plots import BLUE, GREY, ORANGE, STYLE

LOOKS = {
    "helped": {"facecolor": BLUE, "edgecolor": BLUE, "hatch": ""},
    "hurt": {"facecolor": "white", "edgecolor": ORANGE, "hatch": "////"},
    "can't tell": {"facecolor": "white", "edgecolor": GREY, "hatch": ".."},
}
"""Told apart by fill as well as by colour."""


def waterfall(one: Decomposition, to: Path | Axes, title: str | None = None) -> None:
    """Draw into axes, or write a picture (PNG, SVG, …: by the file's suffix)."""
    if isinstance(to, Axes):
        _draw(one, to, title)
        return
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.6 + 1.1 * (len(one.shares) + 2), 4.0), layout="constrained")
        _draw(one, figure.subplots(), title)
        figure.savefig(to, metadata={"Software": None})


def _draw(one: Decomposition, ax: Axes, title: str | None) -> None:
    names = ["A", *(share.player for share in one.shares), "B"]
    level = one.a
    for x, share in enumerate(one.shares, start=1):
        ax.plot([x - 1.35, x + 0.35], [level, level], color=GREY, linewidth=0.8, linestyle=":")
        _bar(ax, x, level, share)
        level += share.value
    last = len(names) - 1
    ax.plot([last - 1.35, last + 0.35], [level, level], color=GREY, linewidth=0.8, linestyle=":")
    for x, value in ((0, one.a), (last, one.b)):
        ax.plot([x - 0.35, x + 0.35], [value, value], color="black", linewidth=2.5, solid_capstyle="butt")
        ax.annotate(f"{value:.3f}", (x, value), (0, 4), textcoords="offset points", ha="center", fontsize=8)
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel=one.name.replace("_", " "))
    ax.margins(y=0.12)
    ax.set_title(title or f"{one.name.replace('_', ' ')}: {one.total.value:+.3f} from A to B, 95 % intervals")
    handles = [Patch(label=verdict, **look) for verdict, look in LOOKS.items()]  # type: ignore[arg-type]
    ax.legend(handles=handles, frameon=False, fontsize=8, loc="best")


def _bar(ax: Axes, x: int, level: float, share: Share) -> None:
    """From where the player found the metric to where it left it; the interval is about where it left it."""
    ax.bar(x, share.value, 0.7, bottom=level, linewidth=1.2, **LOOKS[share.verdict])  # type: ignore[arg-type]
    spread = [[share.value - share.low], [share.high - share.value]]
    ax.errorbar(x, level + share.value, spread, color="black", capsize=3, linewidth=1.1)
    top = max(level, level + share.high)
    ax.annotate(f"{share.value:+.3f}", (x, top), (0, 4), textcoords="offset points", ha="center", fontsize=8)
