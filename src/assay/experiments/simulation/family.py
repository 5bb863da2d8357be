"""A simulation as MLflow runs: a parent with every curve, and a child for each strategy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.experiments.simulation.standing import needs, points
from assay.metrics.table import named
from assay.reports.markdown import bold, table
from assay.tracking.families import Node

ENDS = {"": "value", ".low": "low", ".high": "high"}
Point = tuple[str, int, float]


def parent(summary: Mapping[str, Any]) -> Node:
    """The parent run: curves with the number of labels as step; the areas are its metrics."""
    n = summary["samples"]
    params = {
        "strategies": ", ".join(row["name"] for row in summary["strategies"]),
        "budgets": ", ".join(map(str, summary["budgets"])),
        "seeds": ", ".join(map(str, summary["seeds"])),
        "learner": summary["learner"],
        "chosen on": summary["chosen_on"],
        "images a seed": str(n["pool"]),
    }
    tags = {
        "assay.kind": "simulation",
        "assay.winner": summary["verdict"]["strategy"] or "can't tell",
        "mlflow.note.content": note(summary),
    }
    metrics = {f"area/{row['name']}": row["auc"]["value"] for row in summary["strategies"]}
    curves = [
        point for row in summary["strategies"] for point in _points(f"{summary['metric']}/{row['name']}", row)
    ]
    return Node(f"simulation of {len(summary['strategies'])} strategies", params, metrics, tags, curves)


def children(summary: Mapping[str, Any]) -> list[Node]:
    """A run for each strategy: area under its curve, gain over random, and the curve with its interval."""
    tested = {row["name"]: row for row in summary["test"] or ()}
    nodes = []
    for row in summary["strategies"]:
        metrics = _metrics(summary["chosen_on"], row)
        curves = list(_points(f"{summary['metric']}/{summary['chosen_on']}", row))
        if (again := tested.get(row["name"])) is not None:
            metrics |= _metrics("test", again)
            curves += _points(f"{summary['metric']}/test", again)
        tags = {"assay.kind": "simulated strategy", "assay.strategy": row["name"]}
        nodes.append(Node(row["name"], {"strategy": row["name"]}, metrics, tags, curves))
    return nodes


def _metrics(split: str, row: Mapping[str, Any]) -> dict[str, float]:
    told = {f"area/{split}": row["auc"]["value"], "seconds to choose": row["seconds"]}
    if row["over_random"]:
        told |= {f"over random/{split}{end}": row["over_random"][key] for end, key in ENDS.items()}
    if row["labels"]["value"] is not None:
        told[f"labels needed/{split}"] = row["labels"]["value"]
    return told


def _points(name: str, row: Mapping[str, Any]) -> Iterator[Point]:
    for point in row["curve"]:
        for end, key in ENDS.items():
            yield f"{name}{end}", point["budget"], point[key]


def note(summary: Mapping[str, Any]) -> str:
    """Verdict and table as Markdown, for the run page of MLflow."""
    level = f"{100 * summary['to_accuracy']['value']:.1f} %"
    rows = [
        (row["name"], named("accuracy").level(row["auc"]),
         points(row["over_random"]) if row["over_random"] else "", needs(row["labels"]))
        for row in summary["strategies"]
    ]  # fmt: skip
    heading = ("strategy", f"mean {summary['metric']}", "over random", f"labels to {level}")
    return f"{bold(summary['verdict']['text'])}\n\n{table(heading, rows)}"
