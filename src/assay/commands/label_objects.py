"""A file of labels with a row for each suspected object, as `assay audit --csv` and its page write it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter

from assay.annotators import now
from assay.commands.label_changes import LabelChanges, LabelContext
from assay.data.annotations import Annotation, Box
from assay.data.corrections import Correction, corrected
from assay.data.edits import Judgement
from assay.data.labelfile import NO, YES, Names, Problem, RowError, ValidLabels, csv_records
from assay.data.outlines import RLE
from assay.data.standing import standings
from assay.errors import EditError
from assay.metrics.annotated import ANNOTATIONS

COLUMNS = ("id", "given", "box", "suggested", "suggested_box", "take")
"""Columns of such a file; there may be others."""
OUTLINES = TypeAdapter(list[RLE])
Records = list[tuple[int, dict[str, str]]]


def is_of_objects(file: Path) -> bool:
    """Whether the header has COLUMNS; of a file that cannot be read it has not."""
    try:
        return set(COLUMNS) <= set(csv_records(file)[0])
    except EditError:
        return False


def read(file: Path, context: LabelContext) -> LabelChanges:
    """One judgement for each image with an answer: `take` yes or no, or `exclude` yes.

    With `no` in all rows of an image its labels are confirmed. EditError if the file has no answer.
    """
    records = csv_records(file)[1]
    answered = [one for one in records if one[1].get("take") or one[1].get("exclude")]
    if not answered:
        raise EditError(
            f"{file}: nobody has filled in any of its {len(records):,} rows", hint="take: yes or no"
        )
    of, problems = _by_image(answered, context.names)
    there, at = _annotations(context, list(of)), now()
    judgements = []
    for sample, rows in of.items():
        try:
            judgements.append(_judged(context, sample, rows, there.get(sample, []), at))
        except RowError as problem:
            problems.append(Problem(rows[0][0], str(problem)))
    return LabelChanges(judgements, problems, open=len(records) - len(answered))


def _by_image(answered: Records, names: Names) -> tuple[dict[str, Records], list[Problem]]:
    of: dict[str, Records] = defaultdict(list)
    problems = []
    for line, record in answered:
        try:
            of[names.by_id(record["id"])].append((line, record))
        except RowError as problem:
            problems.append(Problem(line, str(problem)))
    return of, problems


def _annotations(context: LabelContext, ids: Sequence[str]) -> dict[str, list[Annotation]]:
    """The present annotations of images: the snapshot, and the edits since."""
    held = context.snapshot.annotations_of(ids)
    edited = standings(context.batches)
    for sample in ids:
        if sample in edited and edited[sample].annotations is not None:
            held[sample] = ANNOTATIONS.validate_json(str(edited[sample].annotations))
    return held


def _judged(
    context: LabelContext, sample: str, rows: Records, there: Sequence[Annotation], at: str
) -> Judgement:
    """The judgement of one image. RowError for an answer that cannot be, or an object that is not there any more."""
    why = "; ".join(dict.fromkeys(record["why"] for _, record in rows if record.get("why")))
    if any(_yes(record.get("exclude", "")) for _, record in rows):
        return Judgement(id=sample, op="exclude", by=context.by, at=at, why=why)
    taken = [correction(record, context.classes) for _, record in rows if _yes(record.get("take", ""))]
    if context.task != "detection" and any(_only_a_box(one) for one in taken):
        raise RowError(
            f"the labels of {context.task} are outlines, and the row suggests a box: answer no here, and "
            "draw it with `assay review`"
        )
    try:
        changed = corrected(there, taken)
    except LookupError as error:
        raise RowError(str(error)) from None
    return Judgement(id=sample, op="label", annotations=changed, by=context.by, at=at, why=why or _said(rows))


def _only_a_box(one: Correction) -> bool:
    return not one.outlines and one.new_box not in (None, one.box)


def _said(rows: Records) -> str:
    """`missed taken, moved not taken`"""
    return ", ".join(
        f"{record.get('kind') or 'object'} {'' if _yes(record.get('take', '')) else 'not '}taken"
        for _, record in rows
    )


def _yes(text: str) -> bool:
    if text and text.lower() not in YES | NO:
        raise RowError(f"the answer is {text!r}; valid: yes or no")
    return text.lower() in YES


def correction(record: Mapping[str, str], classes: ValidLabels) -> Correction:
    """What a row suggests. RowError if it is none."""
    box, new_box, also = (_box(record.get(name, "")) for name in ("box", "suggested_box", "also"))
    if box is None and new_box is None:
        raise RowError("neither box nor suggested_box: there is nothing to correct")
    new = classes.check(record["suggested"]) if new_box is not None else None
    outlines = _outlines(record.get("suggested_outlines", ""))
    return Correction(record.get("given") or None, box, new, new_box, outlines, also)


def _box(text: str) -> Box | None:
    if not text:
        return None
    try:
        x, y, width, height = (float(side) for side in text.split())
        return Annotation(category="-", bbox=(x, y, width, height)).bbox
    except ValueError:
        raise RowError(f"the box is {text!r}; valid: x y width height, in px") from None


def _outlines(text: str) -> tuple[RLE, ...]:
    if not text:
        return ()
    try:
        return tuple(OUTLINES.validate_json(text))
    except ValueError:
        raise RowError(
            'the outlines are not as they were written: a JSON list of {"size", "counts"}'
        ) from None
