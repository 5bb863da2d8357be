"""An attribution in one sentence, from its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.metrics.table import Metric, named

Found = Mapping[str, Any]


def sentence(result: Found) -> str:
    """Shares of the primary metric, and the strongest significant interaction."""
    metric, held = named(result["primary"]), result["metrics"].get(result["primary"])
    if held is None:
        return f"{metric.title} is not defined on these test samples"
    parts = [f"{p['player']} {metric.change(p)} ({p['verdict']})" for p in held["shares"]]
    told = f"{metric.title} {metric.change(held['total'])} from A to B: {', '.join(parts)}"
    pair = strongest(held)
    return f"{told}; {interaction(pair, metric)}" if pair else told


def strongest(held: Found) -> Found | None:
    """The largest interaction whose interval excludes 0; None without one."""
    known = [pair for pair in held["interactions"] if pair["verdict"] != "can't tell"]
    return max(known, key=lambda pair: abs(pair["value"]), default=None)


def interaction(pair: Found, metric: Metric) -> str:
    """E.g. `… data +8.6 with A's model and +0.1 with B's, model +4.3 with A's data and −4.2 with B's`."""
    parts = [_conditional(pair["conditional"][i : i + 2], metric) for i in (0, 2)]
    return (
        f"but these are means, and {' and '.join(pair['players'])} depend on each other "
        f"({metric.change(pair)}): {', '.join(parts)}"
    )


def _conditional(rows: Any, metric: Metric) -> str:
    before, after = rows
    values = [metric.number(row["value"], "+") for row in (before, after)]
    return f"{before['player']} {values[0]} with A's {before['other']} and {values[1]} with B's"
