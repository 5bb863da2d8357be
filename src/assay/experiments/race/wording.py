"""The result of a race as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.metrics.table import named


def sentence(told: Mapping[str, Any]) -> str:
    """The better track with difference and cost; without a significant difference, what it would take to find one."""
    row, final, winner = named(told["metric"]), told["final"], told["winner"]
    data, model = (told["tracks"][track][-1] for track in ("data", "model"))
    cost = data["cost"]
    spent = f"{cost['labels']:,.0f} labels ({cost['reviews']:,.0f} of them reviews)"
    many = "s" * (told["steps"] > 1)
    trials, steps = f"{told['steps']} trial{many}", f"{told['steps']} step{many}"
    where = (
        f"{row.title} is {row.level(data)} with {spent} and {row.level(model)} with {trials}, "
        f"from {row.level(told['tracks']['data'][0])}"
    )
    ahead = f"data − model {row.change(final['difference'])}"
    if winner is None:
        return f"Can't tell: after {steps} {where}; {ahead}. {(told['needs'] or '').capitalize()}."
    return f"The {winner} track won: after {steps} {where}; {ahead}."
