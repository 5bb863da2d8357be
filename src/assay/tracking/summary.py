"""Summary of the results as Markdown: metrics with intervals, counts of the snapshot, first images of the queue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from assay.data.files import read_json, read_table
from assay.layout import Layout
from assay.metrics.table import OVERALL, Metric, named
from assay.reports.markdown import code, link, table

HEAD = 10
"""Rows of the queue shown."""


@dataclass(frozen=True)
class Summary:
    """The last results of a workspace; empty where a stage has not run."""

    metrics: dict[str, Any] = field(default_factory=dict)
    snapshot: dict[str, Any] = field(default_factory=dict)
    selection: dict[str, Any] = field(default_factory=dict)
    queue: list[dict[str, Any]] = field(default_factory=list)
    queued: int = 0

    @property
    def primary(self) -> str:
        return str(self.metrics.get("primary", "accuracy"))

    @property
    def scores(self) -> list[tuple[Metric, dict[str, Any], dict[str, Any]]]:
        """(metric, estimate on test, estimate on val) of each overall metric, the primary one first."""
        test, val = self.metrics.get("test") or {}, self.metrics.get("val") or {}
        names = sorted((name for name in OVERALL if name in test), key=lambda name: name != self.primary)
        return [(named(name), test[name], val.get(name) or {}) for name in names]

    @property
    def splits(self) -> list[tuple[str, int, int]]:
        """(split, labelled, unlabelled)."""
        counts = self.snapshot.get("counts") or {}
        labelled, unlabelled = counts.get("labelled") or {}, counts.get("unlabelled") or {}
        return [(split, labelled.get(split, 0), unlabelled.get(split, 0)) for split in labelled]


def summarise(layout: Layout, head: int = HEAD) -> Summary:
    """Read the outputs of the stages that have run."""
    queue = layout.selection / "queue.parquet"
    table = read_table(queue).sort_by("rank") if queue.exists() else None
    return Summary(
        metrics=_json(layout.outputs / "metrics.json"),
        snapshot=_json(layout.snapshot / "snapshot.json"),
        selection=_json(layout.selection / "selection.json"),
        queue=table.slice(0, head).to_pylist() if table is not None else [],
        queued=len(table) if table is not None else 0,
    )


def confidence(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def markdown(summary: Summary, links: Iterable[tuple[str, str]] = ()) -> str:
    """The sections with content."""
    sections = [_metrics(summary), _champion(summary), _data(summary), _queue(summary), _links(links)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _metrics(summary: Summary) -> str:
    rows = [
        (row.title, row.interval(test), row.interval(val), test.get("n", ""))
        for row, test, val in summary.scores
    ]
    if not rows:
        return "_Nothing measured yet._"
    return table(("metric (95 % interval)", "test", "val", "n (test)"), rows)


def _champion(summary: Summary) -> str:
    champion = summary.metrics.get("champion")
    if not champion:
        return "There is no champion yet."
    if champion.get("itself"):
        return "This model is the champion."
    rows = [
        (named(name).title, named(name).change(d), d.get("n", ""))
        for name, d in sorted((champion.get("difference") or {}).items())
    ]
    name = f"Against the champion {code(str(champion.get('fingerprint'))[:8])}, on the same images:"
    return f"{name}\n\n{table(('metric', 'difference (95 % interval)', 'n'), rows)}"


def _data(summary: Summary) -> str:
    if not summary.snapshot:
        return ""
    counts = summary.snapshot.get("counts") or {}
    title = f"**Snapshot** {code(summary.snapshot['digest'][:12])}"
    title += f": {counts.get('samples', 0):,} images, {counts.get('excluded', 0):,} excluded"
    return f"{title}\n\n{table(('split', 'labelled', 'unlabelled'), summary.splits)}"


def _queue(summary: Summary) -> str:
    if not summary.selection:
        return ""
    if not summary.queue:
        return "**Label next**: the queue is empty."
    rows = [
        (row["rank"] + 1, code(row["id"][:12]), row["split"], row["strategy"], row["predicted"] or "",
         confidence(row["confidence"]), row["reason"])
        for row in summary.queue
    ]  # fmt: skip
    heading = ("#", "image", "split", "strategy", "predicted", "confidence", "why")
    return f"**Label next** ({len(summary.queue)} of {summary.queued:,})\n\n{table(heading, rows)}"


def _links(links: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {link(name, url)}" for name, url in links)


def _json(path: Any) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
