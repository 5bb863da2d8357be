"""A file of labels with a row for each image: its judgements, without those that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from assay import tasks
from assay.annotators import now
from assay.commands.label_changes import LabelChanges, LabelContext
from assay.data import ledger, object_suspects
from assay.data.edits import ANSWERS, SETTLES, Judgement, judges
from assay.data.labelfile import Row, read_rows, without_contradictions
from assay.data.standing import NOTHING, Standing, after, recorded, standings
from assay.data.suspects import MARK, second_looks
from assay.errors import EditError


def read(file: Path, context: LabelContext) -> LabelChanges:
    """The judgements of the rows that change something. EditError if the file cannot be read, or has nothing in it."""
    found = read_rows(file, context.names, context.classes)
    require_tags(context.task, file, found.rows)
    rows, disputed, repeated = without_contradictions(found.rows, each_person=context.overlap > 1)
    known, asked = present(context, [row.id for row in rows]), asks(context)
    changes = [news(row.judgements(context.by, now()), known[row.id], asked) for row in rows]
    return LabelChanges(
        [judgement for some in changes for judgement in some],
        [*found.problems, *disputed],
        open=found.unanswered,
        unchanged=sum(not some for some in changes),
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
            hint=f"{tasks.DRAW_OBJECTS}: of several labels of an image the latest counts",
        )


def present(context: LabelContext, ids: Sequence[str]) -> dict[str, Standing]:
    """{id: present state}: the snapshot and the judgements since."""
    held = standings(context.batches, recorded(context.snapshot, ids))
    return {sample: held.get(sample, NOTHING) for sample in ids}


def asks(context: LabelContext) -> Callable[[Judgement], bool]:
    """Whether a judgement is an answer also if it confirms the label.

    It is if the image is labelled and queued for review, or its label or an object on it is suspected; if it checks the
    audit or settles a dispute; and if fewer people than `select.overlap` have judged the image and this one has not.
    """
    given, sent = judges(context.batches), ledger.read(context.layout.ledger)
    images = {row.id: row for batch in sent for row in batch.rows}
    review = {
        sample for sample, row in images.items() if row.label is not None and ledger.is_open(row, given)
    }
    review |= second_looks(context.layout.audit, context.batches)[0]
    review |= (object_suspects.unreviewed(context.layout, context.batches) or {}).keys()

    def asked(one: Judgement) -> bool:
        if one.op not in ANSWERS:
            return False
        row = images.get(one.id) or ledger.SentImage(id=one.id, overlap=context.overlap)
        people = ledger.judged_by(row, given)
        more = row.overlap > 1 and len(people) < row.overlap and one.by not in people
        return more or one.id in review or one.why.startswith((MARK, SETTLES))

    return asked


def news(
    judgements: Iterable[Judgement], known: Standing, asked: Callable[[Judgement], bool]
) -> list[Judgement]:
    """The judgements of an image that change something, in their order, and those that were `asked` for."""
    found = []
    for judgement in judgements:
        state = after(known, judgement)
        if state != known or asked(judgement):
            found.append(judgement)
        known = state
    return found
