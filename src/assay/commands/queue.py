"""`assay queue`: the images to label next, on the terminal, as a CSV or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape

from assay import tasks
from assay.commands.terminal import lines_table
from assay.data import ledger
from assay.data.edits import answers_to, read_batches
from assay.data.files import read_json, read_table
from assay.data.standing import standings
from assay.data.suspects import REVIEW, second_looks
from assay.layout import Layout
from assay.params import Split
from assay.progress import Progress, silent
from assay.reports import exported
from assay.reports.destinations import write_out

COLUMNS = ("id", "path", "image", "split", "predicted", "confidence", "reason", "label", "exclude", "why")
"""Columns of the exported file; `label`, `exclude` and `why` are for people to fill in."""

WIDTHS = {"": 6, "image": 12, "from": 16, "split": 5, "predicted": 16}
"""Largest widths of the columns on the terminal; the reason has the rest of the line."""


def run(
    layout: Layout,
    limit: int | None = 20,
    split: Split | None = None,
    export: Path | None = None,
    page: Path | None = None,
    progress: Progress = silent,
    task: str = "classification",
) -> dict[str, Any]:
    """The open images of the queue, best first; a file and a page get all of them unless `limit` was given."""
    queue, answered = open_queue(layout)
    if split is not None:
        queue = queue.filter(pc.equal(queue["split"], split))
    table = with_paths(layout, queue.slice(0, limit))
    rows = table.to_pylist()
    if export is not None:
        exported.export(export, rows, COLUMNS, layout)
    tags = choices(layout, task)
    if page is not None:
        from assay.labels.page import queue_page

        write_out(page, queue_page(table, len(queue), tags, layout.pool, progress).encode())
    return {
        "open": len(queue),
        "answered": answered,
        "by_class": tags is not None,
        "rows": rows,
        "file": export and str(export),
        "page": page and str(page),
    }


def open_queue(layout: Layout) -> tuple[pa.Table, int]:
    """The queue without the images judged since, and their number. For reviews see `assay.data.ledger`."""
    queue = read_table(layout.selection / "queue.parquet", made_by="select")
    batches = read_batches(layout.edits)
    said = standings(batches)
    strategies = queue["strategy"].to_pylist()
    again = ledger.reviewed(ledger.read(layout.ledger), answers_to(batches))
    if REVIEW in strategies:
        again |= second_looks(layout.audit, batches)[1]
    answered = pa.array(
        [
            sample in again if strategy == REVIEW else sample in said and said[sample].answered
            for sample, strategy in zip(queue["id"].to_pylist(), strategies, strict=True)
        ],
        pa.bool_(),
    )
    return queue.filter(pc.invert(answered)), pc.sum(answered).as_py() or 0


def choices(layout: Layout, task: str) -> list[str] | None:
    """The classes to choose from; None if the task learns from objects, not from a class of the image."""
    found = read_json(layout.snapshot / "snapshot.json", made_by="curate")["categories"]
    taught = [str(name) for name in found if tasks.takes_tag(task, str(name))]
    return taught if taught or not found else None


def with_paths(layout: Layout, queue: pa.Table) -> pa.Table:
    """The queue with a column `path`: the first origin of each image."""
    samples = read_table(layout.snapshot / "samples.parquet", ["id", "origins"], made_by="curate")
    samples = samples.filter(pc.is_in(samples["id"], value_set=queue["id"].combine_chunks()))
    first = dict(zip(samples["id"].to_pylist(), samples["origins"].to_pylist(), strict=True))
    paths = [next(iter(first.get(sample) or []), None) for sample in queue["id"].to_pylist()]
    return queue.append_column("path", pa.array(paths, pa.string()))


def render(result: dict[str, Any], console: Console) -> None:
    """Print one line for each image, or the files written."""
    if result["page"]:
        console.print(f"{len(result['rows']):,} images on the page {escape(result['page'])}", highlight=False)
    if result["file"]:
        file = escape(result["file"])
        then = (
            f"fill in `label`, then `assay label {file}`"
            if result["by_class"]
            else "draw their objects in a tool, and add its files to ingest.sources"
        )
        console.print(f"{len(result['rows']):,} images in {file}, column `image`: {then}", highlight=False)
    if result["page"] or result["file"]:
        return
    rows = [(str(row["rank"] + 1), row["id"][:12], *_cells(row)) for row in result["rows"]]
    console.print(lines_table(rows, WIDTHS, "why"))
    shown, total = len(result["rows"]), result["open"]
    console.print(f"{shown:,} of {total:,} open; {result['answered']:,} answered since", highlight=False)
    console.print("with pictures: `assay queue --html queue.html`; to fill in: `--csv`", highlight=False)


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    sure = "" if row["confidence"] is None else f" ({row['confidence']:.0%})"
    guess = f"{row['predicted']}{sure}" if row["predicted"] else ""
    return row["path"] or "", row["split"], guess, row["reason"]
