"""A race as MLflow runs: a parent with the curves of both tracks, and a child for each training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay import plugins
from assay.experiments.race.training_order import TRACKS, RaceResult, SeedRace
from assay.metrics.table import named
from assay.reports.markdown import bold, table, text
from assay.tracking.content import row_points
from assay.tracking.families import Node

Point = tuple[str, int, float]
ENDS = {"": "value", ".low": "low", ".high": "high"}


def parent(summary: Mapping[str, Any]) -> Node:
    """The parent run: curves with one MLflow step for each step of the race; the last values are its metrics."""
    race = summary["race"]
    params = {
        "baseline": summary["baseline"]["label"],
        "answers": summary["answers"],
        "chosen on": summary["chosen_on"],
        **{f"race.{key}": _text(value) for key, value in race.items() if key != "space"},
        **{f"race.space.{key}": _text(value) for key, value in summary["space"].items()},
    }
    tags = {
        "assay.kind": "race",
        "assay.winner": summary["winner"] or "can't tell",
        "mlflow.note.content": note(summary),
    }
    metrics = {f"final/{name}": summary["final"][name]["value"] for name in (*TRACKS, "difference")}
    return Node(f"race from {summary['baseline']['label']}", params, metrics, tags, list(_points(summary)))


def _points(summary: Mapping[str, Any]) -> Iterator[Point]:
    metric = summary["metric"]
    for track in TRACKS:
        for row in summary["tracks"][track]:
            for end, field in ENDS.items():
                yield f"{metric}/{track} track{end}", row["step"], row[field]
            yield f"cost/minutes {track}", row["step"], row["cost"]["minutes"]
            if track == "data":
                yield "cost/labels", row["step"], row["cost"]["labels"]
    for row in summary["difference"]:
        for end, field in ENDS.items():
            yield f"{metric}/data minus model{end}", row["step"], row[field]


def note(summary: Mapping[str, Any]) -> str:
    """The verdict and the curves as Markdown: for MLflow's run page, and for Prefect's artifact."""
    measured, rows = named(summary["metric"]), []
    for data, model in zip(*(summary["tracks"][track] for track in TRACKS), strict=True):
        step = data["step"]
        ahead = measured.change(summary["difference"][step - 1]) if step else ""
        both = [measured.interval(row) for row in (data, model)]
        rows.append((step or "baseline", *both, ahead, f"{data['cost']['labels']:,.0f}"))
    head = ("step", "data track", "model track", "data − model", "labels")
    notes = "".join(f"\n- {text(remark)}" for remark in summary["notes"])
    return f"{bold(summary['verdict'])}\n\n{table(head, rows)}\n{notes}"


def children(races: Sequence[SeedRace]) -> list[Node]:
    """A run for each training: params tried or labels added, metrics, and curves."""
    nodes = []
    for seed_race in races:
        nodes.append(_child(seed_race.done["data"][0]))
        nodes += [_child(done) for track in TRACKS for done in seed_race.done[track][1:]]
    return nodes


def _child(done: RaceResult) -> Node:
    turn, result = done.turn, done.result
    train = {f"train.{key}": _text(value) for key, value in (turn.cell.params.get("train") or {}).items()}
    asked = {f"asked.{key}": _text(value) for key, value in turn.about.items() if turn.track == "data"}
    metrics: dict[str, float] = {}
    curves: list[Point] = []
    if result is not None:
        metrics = {
            f"{name}/{split}": result.metrics[split][name]["value"]
            for split in ("test", "val")
            for name in plugins.load("metrics", turn.cell.parsed.task).METRICS
        }
        metrics["seconds"] = result.seconds
        curves = [point for row in result.history for point in row_points(row)]
    tags = {
        "assay.kind": "race step",
        "assay.track": turn.track,
        "assay.step": str(turn.step),
        "assay.cell": turn.cell.key,
        **({"assay.failed": done.failed} if done.failed else {}),
    }
    return Node(turn.name, {"seed": str(turn.seed), **asked, **train}, metrics, tags, curves)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
