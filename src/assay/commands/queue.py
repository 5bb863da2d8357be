"""`assay queue`: the images to label next, on the terminal, as a CSV or as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape

from assay import tasks
from assay.commands.terminal import lines_table
from assay.data import ledger
from assay.data.edits import judges, read_batches
from assay.data.files import read_json, read_table
from assay.data.queued import QUEUE
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
    overlap: int = 1,
    by: str | None = None,
) -> dict[str, Any]:
    """The open images of the queue, best first; a file and a page get all of them unless `limit` was given.

    `overlap`: `select.overlap`; `by`: without the images that this person has judged.
    """
    queue, answered = open_queue(layout, overlap)
    if overlap > 1:
        queue = _with_progress(queue, layout, overlap, by)
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


def open_queue(layout: Layout, overlap: int = 1) -> tuple[pa.Table, int]:
    """The queue without the images judged since, and their number. For reviews see `assay.data.ledger`.

    `overlap`: number of people who are to judge an image. Images of the ledger that some of them, not all, have judged
    are appended: they have a label, so that the stage select queues them no more.
    """
    queue = read_table(layout.selection / "queue.parquet", made_by="select")
    batches = read_batches(layout.edits)
    said, given, sent = standings(batches), judges(batches), ledger.read(layout.ledger)
    asked = {row.id: row for batch in sent for row in batch.rows}
    strategies = queue["strategy"].to_pylist()
    again = ledger.reviewed(sent, given)
    if REVIEW in strategies:
        again |= second_looks(layout.audit, batches)[1]
    answered = pa.array(
        [
            sample in again
            if strategy == REVIEW
            else sample in said
            and said[sample].answered
            and not _needs_more(_asked(sample, asked, overlap), given)
            for sample, strategy in zip(queue["id"].to_pylist(), strategies, strict=True)
        ],
        pa.bool_(),
    )
    left = queue.filter(pc.invert(answered))
    there = set(queue["id"].to_pylist())
    some = [row for row in asked.values() if row.id not in there and _partly(row, given)]
    return pa.concat_tables([left, _as_queue(some, len(queue))]), pc.sum(answered).as_py() or 0


def _asked(sample: str, sent: Mapping[str, ledger.SentImage], overlap: int) -> ledger.SentImage:
    """The image as sent; of one that was not sent, all judgements count."""
    return sent.get(sample) or ledger.SentImage(id=sample, overlap=overlap)


def _partly(row: ledger.SentImage, given: ledger.Judges) -> bool:
    """Whether some people, and not all that were asked, have judged an image."""
    return 0 < len(ledger.judged_by(row, given)) < row.overlap


def _needs_more(row: ledger.SentImage, given: ledger.Judges) -> bool:
    """Whether an image with a label is to be judged by further people."""
    return row.overlap > 1 and ledger.is_open(row, given)


def _with_progress(queue: pa.Table, layout: Layout, overlap: int, by: str | None) -> pa.Table:
    """The queue with `judged by k of N` in the reason, without the images judged by the person `by`."""
    given = judges(read_batches(layout.edits))
    sent = {row.id: row for batch in ledger.read(layout.ledger) for row in batch.rows}
    rows = []
    for row in queue.to_pylist():
        image = _asked(row["id"], sent, overlap)
        people = ledger.judged_by(image, given)
        if by not in people:
            rows.append(row | {"reason": f"{row['reason']}; judged by {len(people)} of {image.overlap}"})
    return pa.Table.from_pylist(rows, schema=queue.schema)


def _as_queue(rows: Sequence[ledger.SentImage], rank: int) -> pa.Table:
    """Sent images as rows of the queue, with ranks from `rank` on."""
    known = [
        {"rank": rank + n, "score": 0.0, **row.model_dump(include=set(QUEUE.names))}
        for n, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(known, schema=QUEUE)


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
    if not result["open"]:
        where = f": {escape(' and '.join(wrote))} without images" if (wrote := _written(result)) else ""
        console.print(f"nothing to label{where}; {result['answered']:,} answered since", highlight=False)
        console.print("what to do next: `assay status`", highlight=False)
        return
    if result["page"]:
        console.print(f"{len(result['rows']):,} images on the page {escape(result['page'])}", highlight=False)
    if result["file"]:
        file = escape(result["file"])
        then = f"fill in `label`, then `assay label {file}`" if result["by_class"] else tasks.DRAW_OBJECTS
        console.print(f"{len(result['rows']):,} images in {file}, column `image`: {then}", highlight=False)
    if result["page"] or result["file"]:
        return
    rows = [(str(row["rank"] + 1), row["id"][:12], *_cells(row)) for row in result["rows"]]
    console.print(lines_table(rows, WIDTHS, "why"))
    shown, total = len(result["rows"]), result["open"]
    console.print(f"{shown:,} of {total:,} open; {result['answered']:,} answered since", highlight=False)
    console.print("with pictures: `assay queue --html queue.html`; to fill in: `--csv`", highlight=False)


def _written(result: dict[str, Any]) -> list[str]:
    """The files of a result."""
    return [result[kind] for kind in ("page", "file") if result[kind]]


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    sure = "" if row["confidence"] is None else f" ({row['confidence']:.0%})"
    guess = f"{row['predicted']}{sure}" if row["predicted"] else ""
    return row["path"] or "", row["split"], guess, row["reason"]
