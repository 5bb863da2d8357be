"""The rounds as MLflow runs: a parent with the learning curve, and a child for each round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.metrics.table import Metric, named
from assay.reports.markdown import bold, table, text
from assay.rounds.record import LastRound, RoundRecord
from assay.tracking.families import Node

ENDS = {"": "value", ".low": "low", ".high": "high"}
Point = tuple[str, int, float]


def parent(told: Mapping[str, Any], rounds: Sequence[RoundRecord], stopped: LastRound | None) -> Node:
    """The parent run: one MLflow step for each round, 0 the start; the last values are its metrics."""
    params = {f"iterate.{key}": str(value) for key, value in told["rules"].items()}
    params |= {"strategy": told["strategy"], "annotator": str(told["annotator"]), "branch": told["branch"]}
    tags = {
        "assay.kind": "iterate",
        "assay.stopped": stopped.rule if stopped else "going on",
        "mlflow.note.content": note(told),
    }
    last = rounds[-1]
    metrics = {} if last.test is None else {f"{last.metric}/test": last.test["value"]}
    return Node(f"iterate {told['name']}", params, metrics, tags, _points(rounds))


def _points(rounds: Sequence[RoundRecord]) -> list[Point]:
    points: list[Point] = []
    start = rounds[0].start
    if start is not None and start.test is not None:
        points += _estimate(f"{rounds[0].metric}/curve", 0, start.test)
        points.append(("labels/train", 0, start.labelled.get("train", 0)))
    for record in rounds:
        step = record.number
        points += _estimate(f"{record.metric}/curve", step, record.test)
        points += _estimate(f"{record.metric}/gain", step, record.difference)
        points += [(f"labels/{split}", step, n) for split, n in record.labelled.items()]
        points += [
            ("cost/answers", step, sum(record.answered.values())),
            ("cost/seconds", step, record.seconds),
            ("cost/people seconds", step, record.people_seconds),
        ]
    return points


def _estimate(name: str, step: int, found: Mapping[str, Any] | None) -> list[Point]:
    return [] if found is None else [(f"{name}{end}", step, found[key]) for end, key in ENDS.items()]


def children(rounds: Sequence[tuple[str, RoundRecord]]) -> list[Node]:
    """A run for each round: images asked for, answers, metrics; the tag `assay.run` names the run of the pipeline."""
    nodes = []
    for commit, record in rounds:
        params = {"strategy": record.used, "asked": str(record.asked)}
        metrics = {f"labels/{split}": float(n) for split, n in record.labelled.items()}
        for name, found in (("test", record.test), ("gain", record.difference)):
            metrics |= {f"{key[0]}": key[2] for key in _estimate(f"{record.metric}/{name}", 0, found)}
        tags = {
            "assay.kind": "iterate round",
            "assay.round": str(record.number),
            "assay.git.commit": commit,
            "assay.snapshot": record.snapshot,
            "assay.run": record.run_id or "",
            "assay.promoted": record.promoted,
        }
        metrics |= {"cost/seconds": record.seconds, "cost/answers": float(sum(record.answered.values()))}
        nodes.append(Node(f"round {record.number}", params, metrics, tags))
    return nodes


def note(told: Mapping[str, Any]) -> str:
    """The table of the rounds as Markdown, for MLflow and for the Prefect artifact."""
    head = ("round", "asked", "labels (train)", "test", "to the round before", "champion")
    rows = [_row(row, named(told["metric"])) for row in told["rounds"]]
    end = told["stopped"]
    first = f"{bold('Stopped: ' + end['rule'] + '.')} {text(end['why'])}" if end else text(told["next"])
    return f"{first}\n\n{table(head, rows)}\n"


def _row(row: Mapping[str, Any], metric: Metric) -> tuple[object, ...]:
    asked = f"{row['asked']:,} ({row['used']})" if row["number"] else ""
    test, gain = metric.interval(row["test"] or {}), metric.change(row["difference"] or {})
    return (
        row["number"] or "start",
        asked,
        f"{row['labelled'].get('train', 0):,}",
        test,
        gain,
        row["promoted"],
    )
