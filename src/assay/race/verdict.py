"""A race in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHARES = ("accuracy", "balanced_accuracy", "macro_f1")
"""Metrics that lie between 0 and 1 and are told in points of a hundred."""
NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log-loss",
    "ece": "ECE",
}


def sentence(told: Mapping[str, Any]) -> str:
    """Who won, by how much, at what cost; or that it cannot be told, and what would tell."""
    metric, final, winner = told["metric"], told["final"], told["winner"]
    data, model = (told["tracks"][track][-1] for track in ("data", "model"))
    name, cost = NAMES.get(metric, metric), data["cost"]
    spent = f"{cost['labels']:,.0f} labels ({cost['reviews']:,.0f} of them looked at again)"
    many = "s" * (told["steps"] > 1)
    trials, steps = f"{told['steps']} trial{many}", f"{told['steps']} step{many}"
    where = (
        f"{name} is {level(data, metric)} with {spent} and {level(model, metric)} with {trials}, "
        f"from {level(told['tracks']['data'][0], metric)}"
    )
    ahead = f"data − model {change(final['difference'], metric)}"
    if winner is None:
        return f"Can't tell: after {steps} {where}; {ahead}. {(told['needs'] or '').capitalize()}."
    return f"The {winner} track won: after {steps} {where}; {ahead}."


def level(row: Mapping[str, Any], metric: str) -> str:
    """`91.3 %`, or `0.412` for what is no proportion."""
    return f"{100 * row['value']:.1f} %" if metric in SHARES else f"{row['value']:.3f}"


def with_interval(row: Mapping[str, Any], metric: str) -> str:
    """`91.3 % [89.0, 93.6]`"""
    if metric in SHARES:
        return f"{100 * row['value']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def change(row: Mapping[str, Any], metric: str) -> str:
    """`+6.1 points [+3.9, +8.3]`"""
    if metric in SHARES:
        value, low, high = (f"{100 * row[key]:+.1f}" for key in ("value", "low", "high"))
        return f"{value} points [{low}, {high}]".replace("-", "−")
    value, low, high = (f"{row[key]:+.3f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]".replace("-", "−")
