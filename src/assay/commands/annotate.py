"""`assay annotate`: send the queue to the annotator, and write the answers as one edit batch.

An image is recorded in the ledger before it is sent, and every answer becomes an edit or a recorded refusal. After a
kill, another call loses no answer and sends no image twice.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import pyarrow as pa
from rich.console import Console

from assay import plugins, tasks
from assay.annotators import AnnotatorContext, now
from assay.commands.queue import open_queue, with_paths
from assay.commands.workspace import writes, writing
from assay.data import ledger
from assay.data.edits import judges, read_batches, with_hash, write_batch
from assay.data.ledger import Batch, SentImage, Settled
from assay.data.snapshot import Snapshot
from assay.data.standing import recorded, standings
from assay.layout import Layout
from assay.params import Params
from assay.progress import Progress, silent

PEOPLE = "people"
"""Name in the ledger if select.annotator is null: people, by files of labels."""
SHOWN = 20
"""Most refused answers shown."""


@dataclass(frozen=True)
class AnnotatorLedger:
    """An annotator and the batches sent to it."""

    name: str
    annotator: ModuleType | None
    sent: list[Batch]
    context: AnnotatorContext

    @property
    def waits(self) -> bool:
        return self.annotator is None or bool(self.annotator.WAITS)


@writes("judgements")
def run(params: Params, layout: Layout, progress: Progress = silent) -> dict[str, Any]:
    """Send the open images that were not sent yet, and accept all answers so far."""
    queue, answered = open_queue(layout, params.select.overlap)
    work = open_round(params, layout, progress)
    if work.annotator is None and params.select.overlap == 1:
        return {**_report(work), "already": answered, "open": len(queue)}
    fresh = not_out(work, queue)
    new = send(work, fresh) if len(fresh) else None
    where = hand_over(work)
    return {**collect(work), "already": answered, "sent": len(new.rows) if new else 0, "where": where}


def open_round(params: Params, layout: Layout, progress: Progress = silent) -> AnnotatorLedger:
    """The annotator of the params with its part of the ledger."""
    name = params.select.annotator
    module = None if name is None else plugins.load("annotators", name)
    who = name or PEOPLE
    sent = [batch for batch in ledger.read(layout.ledger) if batch.annotator == who]
    return AnnotatorLedger(who, module, sent, AnnotatorContext(layout, params, progress))


def not_out(work: AnnotatorLedger, queue: pa.Table) -> pa.Table:
    """The rows of the queue that were not sent to this annotator yet."""
    given = judges(read_batches(work.context.layout.edits))
    out = {sample for batch in work.sent for sample in ledger.open_ids(batch, given)}
    return queue.filter(pa.array([sample not in out for sample in queue["id"].to_pylist()], pa.bool_()))


def send(work: AnnotatorLedger, queue: pa.Table) -> Batch:
    """Record a queue in the ledger as sent."""
    with writing(work.context.layout, "judgements"):
        return _send(work, queue)


def _send(work: AnnotatorLedger, queue: pa.Table) -> Batch:
    layout = work.context.layout
    batches, snapshot = read_batches(layout.edits), Snapshot.load(layout.snapshot)
    given, ids = judges(batches), queue["id"].to_pylist()
    if (check := getattr(work.annotator, "check", None)) is not None:
        check(ids, work.context)
    known = standings(batches, recorded(snapshot, ids))
    rows = [
        SentImage(
            **{key: row[key] for key in SentImage.model_fields if key in row},
            label=_label(known[row["id"]].annotations) if row["id"] in known else None,
            judged=len(given.get(row["id"], ())),
            overlap=work.context.params.select.overlap,
        )
        for row in with_paths(layout, queue).to_pylist()
    ]
    batch = ledger.write(layout.ledger, work.name, rows, now())
    work.sent.append(batch)
    return batch


def _label(annotations: str | None) -> str | None:
    """The labels of an image as text; None if it has no judgement."""
    if annotations is None:
        return None
    return "; ".join(note["category"] for note in json.loads(annotations))


def waiting(work: AnnotatorLedger) -> list[Batch]:
    """The batches, reduced to their open images; without those that have none."""
    given = judges(read_batches(work.context.layout.edits))
    parts = [batch.only(ledger.open_ids(batch, given)) for batch in work.sent]
    return [part for part in parts if part.rows]


def hand_over(work: AnnotatorLedger) -> list[str]:
    """Send every batch with open images, again if it was sent before (`send` is idempotent); their destinations."""
    unfinished = {batch.name for batch in waiting(work)}
    where = [
        work.annotator.send(batch, work.context)
        for batch in work.sent
        if work.annotator is not None and batch.name in unfinished
    ]
    return list(dict.fromkeys(where))


def collect(work: AnnotatorLedger) -> dict[str, Any]:
    """Accept all answers so far: one edit batch, and the recorded refusals."""
    with writing(work.context.layout, "judgements"):
        return _collect(work)


def _collect(work: AnnotatorLedger) -> dict[str, Any]:
    layout, settled, batch = work.context.layout, _settled(work), None
    if settled.judgements:
        batch = write_batch(layout.edits, with_hash(work.name, settled.judgements), settled.judgements)
    if settled.refused:
        ledger.write_refused(layout.ledger, work.name, settled.refused)
    left = waiting(work)
    return {
        **_report(work),
        "answered": dict(Counter(judgement.op for judgement in settled.judgements)),
        "open": sum(len(part.rows) for part in left) if work.waits else 0,
        "unknown": [] if work.waits else sorted(row.id for part in left for row in part.rows),
        "refused": [asdict(row) for row in settled.refused],
        "repeated": settled.repeated,
        "batch": batch and batch.relative_to(layout.root).as_posix(),
    }


def _settled(work: AnnotatorLedger) -> Settled:
    """All answers so far, checked."""
    given = [] if work.annotator is None else work.annotator.collect(waiting(work), work.context)
    return ledger.settle(work.sent, given, read_batches(work.context.layout.edits))


def still_open(work: AnnotatorLedger, batch: Batch) -> int:
    """Images of a batch that are still open once all valid answers so far are accepted. Writes nothing."""
    edits = read_batches(work.context.layout.edits)
    return len(ledger.open_ids(batch, judges([*edits, (work.name, _settled(work).judgements)])))


def _report(work: AnnotatorLedger) -> dict[str, Any]:
    given = judges(read_batches(work.context.layout.edits))
    return {
        "annotator": work.context.params.select.annotator,
        "waits": work.waits,
        "already": 0,
        "sent": 0,
        "where": [],
        "answered": {},
        "open": 0,
        "unknown": [],
        "refused": [],
        "repeated": 0,
        "batch": None,
        "next": tasks.how_to_label(work.context.params.task),
        "ledger": ledger.account(work.sent, given),
    }


def render(result: dict[str, Any], console: Console) -> None:
    if result["annotator"] is None:
        console.print(f"{result['open']:,} images wait for people: select.annotator is null", highlight=False)
        console.print(f"next: {result['next']}", highlight=False)
        return
    answers = ", ".join(f"{n:,} {op}" for op, n in sorted(result["answered"].items())) or "no new answers"
    rest = f"{result['open']:,} open" if result["waits"] else f"{len(result['unknown']):,} without an answer"
    console.print(
        f"sent {result['sent']:,} to {result['annotator']}: {answers}; {rest}; "
        f"{result['already']:,} answered before, {result['repeated']:,} repeated, {len(result['refused']):,} refused",
        highlight=False,
    )
    for row in result["refused"][:SHOWN]:
        who = f"{row['id'][:12]}: " if row["id"] else ""
        console.print(f"  refused, {row['where']}: {who}{row['why']}", highlight=False, markup=False)
    if len(result["refused"]) > SHOWN:
        console.print(
            f"  … and {len(result['refused']) - SHOWN:,} more: data/ledger/refused/", highlight=False
        )
    if result["open"] and result["where"]:
        console.print(f"waiting for answers in {', '.join(result['where'])}", highlight=False, markup=False)
    if result["batch"]:
        console.print(f"written: {result['batch']}. next: `dvc repro`", highlight=False)
