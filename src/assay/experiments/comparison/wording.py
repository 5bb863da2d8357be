"""The verdict of a comparison, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.metrics.table import named

Found = Mapping[str, Any]
PLAYERS = ("data", "model", "code")
"""What `assay attribute` can take apart; the ruler as well, but that is not compared here."""


def sentence(result: Found) -> str:
    """`data + model changed; ruler unchanged; accuracy +4.1 [+2.9, +5.3]; effect not separable without …`."""
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
    told = (
        f"{' + '.join(names)} changed" if names else f"nothing {'known to have ' if unknown else ''}changed"
    )
    return f"{told} ({', '.join(unknown)} unknown)" if unknown else told


def _ruler(ruler: Found) -> str:
    if "missing" in ruler:
        return "ruler unknown"
    if not ruler["changed"]:
        return "ruler unchanged"
    counts = [
        *([f"+{ruler['added']:,}"] if ruler["added"] else []),
        *([f"−{ruler['removed']:,}"] if ruler["removed"] else []),
        *([f"{ruler['relabelled']:,} relabelled"] if ruler["relabelled"] else []),
    ]
    return f"ruler changed ({', '.join(counts) or 'metadata only'})"


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
    where = f" on the {metrics['n']:,} samples both measure" if result["ruler"]["changed"] else ""
    return [f"{told(metrics['primary'], row)}{where}", _cause(result["changed"], row)]


def _behind(label: str, stage: str, why: str) -> str:
    if why == "never ran":
        return f"nothing to compare: {stage} has never run in {label}"
    return f"{label} has not been run since it changed ({stage}: {why}): `dvc repro` first"


def told(metric: str, row: Found) -> str:
    """`accuracy +4.1 [+2.9, +5.3]`."""
    return f"{named(metric).title} {points(metric, row)}"


def points(metric: str, row: Found) -> str:
    """`+4.1 [+2.9, +5.3]`: in points where the metric is a proportion; a dash where it is not defined."""
    return named(metric).change(row, unit="")


def is_noise(row: Found) -> bool:
    """Whether the interval holds zero."""
    return bool(row["low"] <= 0 <= row["high"])


def _cause(changed: Found, row: Found) -> str:
    players = [name for name in PLAYERS if changed[name]]
    if len(players) > 1 or (players and changed["environment"]):
        return "effect not separable without `assay attribute`"
    if is_noise(row):
        return "no more than these test samples' noise"
    if players:
        return f"by the {players[0]}, but for the noise of training: `assay attribute` measures that"
    if changed["seed"]:
        return "by the seed alone: that is the noise of training"
    return f"by {'the environment alone' if changed['environment'] else 'nothing that is on record'}"
