"""Plots of the advice as inline SVG in the colours of the page, light or dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.experiments.advice.recommendation import number
from assay.metrics.table import named

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, ROW, LABEL, RIGHT = 720, 34, 190, 150
Scale = Callable[[float], float]


def gains(rows: Sequence[dict[str, Any]], metric: str, chosen: str | None = None) -> Markup:
    """A point with its interval for each of `rows`, {"title", "gain"}; rows without a gain are left out."""
    held = [row for row in rows if row["gain"]]
    ends = [0.0, *(row["gain"][end] for row in held for end in ("low", "high"))]
    ticks = _ticks(min(ends), max(ends), 6)
    x = _scale((ticks[0], ticks[-1]), (LABEL, WIDTH - RIGHT))
    foot = ROW * len(held) + 8
    parts = []
    for tick in ticks:
        parts.append(_line(x(tick), 6, x(tick), foot, "grid" if tick else "zero"))
        parts.append(_said(x(tick), foot + 18, number(tick, metric) if tick else "0", "middle", "tick"))
    for k, row in enumerate(held):
        y = 6 + ROW * (k + 0.5)
        low, value, high = (row["gain"][name] for name in ("low", "value", "high"))
        colour = "good" if low > 0 else "bad" if high < 0 else "unsure"
        told = f"{number(value, metric)} [{number(low, metric)}, {number(high, metric)}]"
        kind = "strong" if chosen is not None and row.get("kind") == chosen else ""
        parts.append(_said(LABEL - 12, y + 4, row["title"], "end", kind))
        parts.append(_line(x(low), y, x(high), y, f"bar {colour}"))
        parts.append(f'<circle class="dot {colour}" cx="{x(value):.1f}" cy="{y:.1f}" r="5"/>')
        parts.append(_said(WIDTH - RIGHT + 12, y + 4, told, "start", "tick"))
    return _svg("gains", foot + 26, parts)


def learning(curve: dict[str, Any], now: int, metric: str) -> Markup:
    """Measured points, the fitted law with its band, and a vertical line at the present number of labels."""
    foot, left, right = 260.0, 64.0, WIDTH - 20.0
    line, points = curve["line"], curve["points"]
    values = [row[end] for row in line for end in ("low", "high")] + [point["value"] for point in points]
    ticks = _ticks(min(values), max(values), 5)
    x = _scale((0, line[-1]["n"]), (left, right))
    y = _scale((ticks[0], ticks[-1]), (foot, 12))
    parts = []
    for tick in ticks:
        told = f"{100 * tick:.4g} %" if named(metric).is_share else f"{tick:.2f}"
        parts += [
            _line(left, y(tick), right, y(tick), "grid"),
            _said(left - 8, y(tick) + 4, told, "end", "tick"),
        ]
    for size in _ticks(0, line[-1]["n"], 6):
        if size <= line[-1]["n"]:
            parts.append(_said(x(size), foot + 18, f"{size:,.0f}", "middle", "tick"))
    law, above, below = (
        [f"{x(row['n']):.1f},{y(row[end]):.1f}" for row in line] for end in ("value", "high", "low")
    )
    parts.append(f'<polygon class="band" points="{" ".join(above + below[::-1])}"/>')
    parts.append(f'<polyline class="law" points="{" ".join(law)}"/>')
    parts.append(_line(x(now), 12, x(now), foot, "now"))
    parts.append(_said(x(now) - 6, foot - 8, f"now: {now:,}", "end", "tick"))
    for point in points:
        parts.append(f'<circle class="point" cx="{x(point["n"]):.1f}" cy="{y(point["value"]):.1f}" r="4.5"/>')
    parts.append(_said((left + right) / 2, foot + 36, "labelled training images", "middle", "tick"))
    return _svg("learning", foot + 42, parts)


def _svg(name: str, height: float, parts: Sequence[str]) -> Markup:
    from markupsafe import Markup

    opening = f'<svg class="chart {name}" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img">'
    whole: Markup = Markup(f"""<div class="scroll">{opening}{"".join(parts)}</svg></div>""")
    return whole


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _said(x: float, y: float, text: str, anchor: str, kind: str) -> str:
    from markupsafe import escape

    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _scale(domain: tuple[float, float], pixels: tuple[float, float]) -> Scale:
    (a, b), (p, q) = domain, pixels
    return lambda value: p + (value - a) / ((b - a) or 1.0) * (q - p)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from below `low` to above `high`, in steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-6)
    power = 10.0 ** np.floor(np.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
    return [float(round(k * step, 10)) + 0.0 for k in range(first, max(last, first + 1) + 1)]
