"""`assay annotate`: send the queue to whoever answers it, and keep the answers as one edit batch."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console

from assay import plugins
from assay.commands.queue import open_queue
from assay.data.edits import write_batch
from assay.errors import EditError
from assay.layout import Layout
from assay.params import Params


def run(params: Params, layout: Layout) -> dict[str, Any]:
    """Ask about every open image of the queue; what is answered already is not asked again.

    EditError if the annotator answers what it was not asked, or one image twice.
    """
    queue, answered = open_queue(layout)
    report: dict[str, Any] = {
        "annotator": params.select.annotator,
        "already": answered,
        "sent": 0,
        "answered": {},
        "unknown": [],
        "batch": None,
    }
    if params.select.annotator is None or not len(queue):
        return {**report, "open": len(queue)}
    sent = queue["id"].to_pylist()
    answers = plugins.load("annotators", params.select.annotator).answer(queue, layout, params)
    _account(params.select.annotator, sent, [answer.id for answer in answers])
    unknown = sorted(set(sent) - {answer.id for answer in answers})
    batch = write_batch(layout.edits, params.select.annotator, answers) if answers else None
    return {
        **report,
        "sent": len(sent),
        "open": len(unknown),
        "answered": dict(Counter(answer.op for answer in answers)),
        "unknown": unknown,
        "batch": batch and batch.relative_to(layout.root).as_posix(),
    }


def _account(name: str, sent: list[str], answered: list[str]) -> None:
    if strangers := set(answered) - set(sent):
        raise EditError(f"annotator {name} answered {len(strangers)} images that it was not asked about")
    if twice := [sample for sample, n in Counter(answered).items() if n > 1]:
        raise EditError(f"annotator {name} answered {twice[0]} more than once")


def render(result: dict[str, Any], console: Console) -> None:
    if result["annotator"] is None:
        console.print(f"{result['open']:,} images wait for people: select.annotator is null", highlight=False)
        console.print("next: `assay queue --csv to-label.csv`, fill it in, `assay label to-label.csv`")
        return
    answers = ", ".join(f"{n:,} {op}" for op, n in sorted(result["answered"].items())) or "no answers"
    console.print(
        f"sent {result['sent']:,} to {result['annotator']}: {answers}; "
        f"{len(result['unknown']):,} unknown to it; {result['already']:,} answered before",
        highlight=False,
    )
    if result["batch"]:
        console.print(f"written: {result['batch']}. next: `dvc repro`", highlight=False)
