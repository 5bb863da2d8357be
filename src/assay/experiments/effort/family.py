"""The study as MLflow runs: a parent with every curve, a child for each scheme; the step is the budget in minutes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.metrics.table import named
from assay.reports.markdown import bold, table
from assay.tracking.families import Node

ENDS = {"": "value", ".low": "low", ".high": "high"}
Point = tuple[str, int, float]


def parent(summary: Mapping[str, Any]) -> Node:
    """The parent run: the metric of every scheme over the budget."""
    params = {
        "schemes": ", ".join(row["name"] for row in summary["schemes"]),
        "hours": ", ".join(f"{hours:g}" for hours in summary["hours"]),
        "seeds": ", ".join(map(str, summary["seeds"])),
        "target": summary["target"],
        "metric": summary["metric"],
        "learner": summary["learner"],
        "seconds an image": f"{summary['seconds']['image']:g}",
    }
    tags = {
        "assay.kind": "effort",
        "assay.draw": ", ".join(act or "can't tell" for act in summary["verdict"]["draw"]),
        "mlflow.note.content": note(summary),
    }
    curves = [
        point
        for row in summary["schemes"]
        for point in _points(_safe(f"{summary['metric']}/{row['name']}"), row)
    ]
    return Node(f"effort of {len(summary['schemes'])} schemes", params, {}, tags, curves)


def children(summary: Mapping[str, Any]) -> list[Node]:
    """A run for each scheme: its curve with the interval, and its number of images."""
    nodes = []
    for row in summary["schemes"]:
        prices = ", ".join(f"{kind} {seconds:g}" for kind, seconds in summary["seconds"]["acts"][row["name"]])
        images = [("images", _minutes(point), point["images"]) for point in row["curve"]]
        tags = {"assay.kind": "scheme of annotation", "assay.scheme": row["name"]}
        params = {"scheme": row["name"], "seconds": prices}
        nodes.append(Node(row["name"], params, {}, tags, [*_points(summary["metric"], row), *images]))
    return nodes


def _points(name: str, row: Mapping[str, Any]) -> Iterator[Point]:
    for point in row["curve"]:
        for end, key in ENDS.items():
            yield f"{name}{end}", _minutes(point), point[key]


def _minutes(point: Mapping[str, Any]) -> int:
    return round(60 * float(point["hours"]))


def _safe(name: str) -> str:
    """A name that MLflow takes: `+`, `*` and `@` are not allowed."""
    return name.replace("+", " and ").replace("*", " of ").replace("@", " at ")


def note(summary: Mapping[str, Any]) -> str:
    """Verdict and table as Markdown, for the run page of MLflow."""
    metric = named(summary["metric"])
    rows = [(row["name"], *(metric.interval(point) for point in row["curve"])) for row in summary["schemes"]]
    heading = ("scheme", *(f"{hours:g} h" for hours in summary["hours"]))
    return f"{bold(summary['verdict']['text'])}\n\n{table(heading, rows)}"
