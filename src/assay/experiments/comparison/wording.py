"""The result of a comparison in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.metrics.table import named

Found = Mapping[str, Any]
PLAYERS = ("data", "model", "code")
"""Factors of a change of the metric on a common test set."""


def sentence(result: Found) -> str:
    """E.g. `data + model changed; test set unchanged; accuracy +4.1 [+2.9, +5.3]; effect not separable …`."""
    parts = [_what_changed(result["changed"]), _ruler(result["ruler"]), *_effect(result)]
    return "; ".join(part for part in parts if part)


def _what_changed(changed: Found) -> str:
    names = [name for name in PLAYERS if changed[name]]
    if not changed["data"] and changed["dataset"]:
        names.append("dataset" if changed["data"] is None else "data outside of the training set")
    if changed["seed"]:
        names.append("seed")
    if changed["environment"]:
        names.append("environment")
    unknown = ["training set" if name == "data" else name for name in PLAYERS if changed[name] is None]
    sentence = (
        f"{' + '.join(names)} changed" if names else f"nothing {'known to have ' if unknown else ''}changed"
    )
    return f"{sentence} ({', '.join(unknown)} unknown)" if unknown else sentence


def _ruler(ruler: Found) -> str:
    if "missing" in ruler:
        return "test set unknown"
    if not ruler["changed"]:
        return "test set unchanged"
    counts = [
        *([f"+{ruler['added']:,}"] if ruler["added"] else []),
        *([f"−{ruler['removed']:,}"] if ruler["removed"] else []),
        *([f"{ruler['relabelled']:,} relabelled"] if ruler["relabelled"] else []),
    ]
    return f"test set changed ({', '.join(counts) or 'metadata only'})"


def _effect(result: Found) -> list[str]:
    behind = [
        _behind(result[side]["label"], *next(iter(result["behind"][side].items())))
        for side in ("a", "b")
        if result["behind"][side]
    ]
    metrics = result["metrics"]
    if behind:
        return behind
    if "missing" in metrics:
        return [f"not compared: {metrics['missing']}"]
    row = metrics["difference"].get(metrics["primary"])
    if row is None or row["value"] is None:
        return [f"no {metrics['primary']} to compare"]
    where = f" on the {metrics['n']:,} samples in both test sets" if result["ruler"]["changed"] else ""
    return [f"{metric_sentence(metrics['primary'], row)}{where}", _cause(result["changed"], row)]


def _behind(label: str, stage: str, why: str) -> str:
    if why == "never ran":
        return f"nothing to compare: {stage} has never run in {label}"
    return f"{label} is not up to date ({stage}: {why}): `dvc repro` first"


def metric_sentence(metric: str, row: Found) -> str:
    """E.g. `accuracy +4.1 [+2.9, +5.3]`."""
    return f"{named(metric).title} {points(metric, row)}"


def points(metric: str, row: Found) -> str:
    """E.g. `+4.1 [+2.9, +5.3]`, in points if the metric is a proportion; a dash if it is undefined."""
    return named(metric).change(row, unit="")


def is_noise(row: Found) -> bool:
    """Whether the interval contains 0."""
    return bool(row["low"] <= 0 <= row["high"])


def _cause(changed: Found, row: Found) -> str:
    players = [name for name in PLAYERS if changed[name]]
    if len(players) > 1 or (players and changed["environment"]):
        return "effect not separable without `assay attribute`"
    if is_noise(row):
        return "not significant on these test samples"
    if players:
        return f"due to the {players[0]} or the noise of training: `assay attribute` separates them"
    if changed["seed"]:
        return "due to the seed alone, the noise of training"
    return "due to the environment alone" if changed["environment"] else "no recorded cause"
