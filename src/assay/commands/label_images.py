"""A file of labels with a row for each image: its judgements, without those that change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from assay import tasks
from assay.annotators import now
from assay.commands.label_changes import LabelChanges, LabelContext
from assay.data import ledger
from assay.data.edits import ANSWERS, Judgement, answers_to
from assay.data.labelfile import Row, read_rows, without_contradictions
from assay.data.standing import NOTHING, Standing, after, recorded, standings
from assay.data.suspects import MARK, second_looks
from assay.errors import EditError


def read(file: Path, context: LabelContext) -> LabelChanges:
    """The judgements of the rows that change something. EditError if the file cannot be read, or has nothing in it."""
    found = read_rows(file, context.names, context.classes)
    require_tags(context.task, file, found.rows)
    rows, disputed, repeated = without_contradictions(found.rows)
    known, again = present(context, [row.id for row in rows]), asked_again(context)
    changes = [
        judgement
        for row in rows
        for judgement in news(
            row.judgements(context.by, now()), known[row.id], row.id in again or row.why.startswith(MARK)
        )
    ]
    return LabelChanges(
        changes,
        [*found.problems, *disputed],
        open=found.unanswered,
        unchanged=len(rows) - len({change.id for change in changes}),
        repeated=repeated,
        ignored=found.ignored,
    )


def require_tags(task: str, file: Path, rows: Sequence[Row]) -> None:
    """EditError for a row with a class from which the task, of objects, does not learn."""
    for row in rows:
        if not row.label or tasks.takes_tag(task, row.label[0]):
            continue
        raise EditError(
            f"{file}, line {row.line}: {task} learns from objects with a box or an outline, not from a class "
            "of the image; nothing was written",
            hint="draw them in a tool, and add its files (coco, yolo, voc, masks) to ingest.sources: of several "
            "labels of an image the latest counts",
        )


def present(context: LabelContext, ids: Sequence[str]) -> dict[str, Standing]:
    """{id: present state}: the snapshot and the judgements since."""
    held = standings(context.batches, recorded(context.snapshot, ids))
    return {sample: held.get(sample, NOTHING) for sample in ids}


def asked_again(context: LabelContext) -> set[str]:
    """Labelled images that are queued for review: for these, an unchanged label is an answer."""
    answered = answers_to(context.batches)
    sent = ledger.read(context.layout.ledger)
    out = {sample for batch in sent for sample in ledger.open_ids(batch, answered)}
    out &= {row.id for batch in sent for row in batch.rows if row.label is not None}
    return out | second_looks(context.layout.audit, context.batches)[0]


def news(judgements: Iterable[Judgement], known: Standing, again: bool = False) -> list[Judgement]:
    """The judgements of an image that change something, in their order; with `again` (a review), all answers."""
    found = []
    for judgement in judgements:
        state = after(known, judgement)
        if state != known or (again and judgement.op in ANSWERS):
            found.append(judgement)
        known = state
    return found
