"""`assay label FILE`: an edit batch from a file of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from assay import tasks
from assay.annotators import now
from assay.commands import label_objects
from assay.commands.workspace import writes
from assay.data import ledger
from assay.data.edits import ANSWERS, Judgement, answers_to, read_batches, write_batch
from assay.data.labelfile import Names, Problem, Row, read_rows, valid_classes, without_contradictions
from assay.data.snapshot import Snapshot
from assay.data.standing import NOTHING, Standing, after, recorded, standings
from assay.data.suspects import MARK, second_looks
from assay.errors import EditError
from assay.layout import Layout
from assay.lineage.people import whoami
from assay.params import Params

SHOWN = 20
"""Most invalid rows named in an error."""


def run(
    params: Params,
    layout: Layout,
    file: Path,
    by: str | None = None,
    skip_bad: bool = False,
    allow_new_classes: bool = False,
) -> dict[str, Any]:
    """Write one edit batch from a file with one row an image, or one row an object (see `label_objects`)."""
    kind = label_objects.run if label_objects.is_of_objects(file) else label_images
    return kind(params, layout, file, by, skip_bad, allow_new_classes)


@writes("judgements")
def label_images(
    params: Params,
    layout: Layout,
    file: Path,
    by: str | None = None,
    skip_bad: bool = False,
    allow_new_classes: bool = False,
) -> dict[str, Any]:
    """Check every filled-in row, then write one edit batch with those that change something.

    EditError with all invalid rows, without writing anything, unless `skip_bad`.
    """
    snapshot, batches = Snapshot.load(layout.snapshot), read_batches(layout.edits)
    separator = tasks.separator(params.task)
    classes = valid_classes(params.curate.classes, snapshot, batches, allow_new_classes, separator)
    read = read_rows(file, Names.of(snapshot.samples), classes)
    require_tags(params.task, file, read.rows)
    rows, disputed, repeated = without_contradictions(read.rows)
    problems = sorted([*read.problems, *disputed], key=lambda problem: problem.line)
    if problems and not skip_bad:
        raise EditError(complaint(file, problems), hint="correct them, or `--skip-bad` to accept the others")
    known = present(snapshot, batches, [row.id for row in rows])
    who, again = by or whoami(layout.root), asked_again(layout, batches)
    changes = [
        j for row in rows for j in news(row, known[row.id], who, row.id in again or row.why.startswith(MARK))
    ]
    batch = write_batch(layout.edits, file.stem, changes) if changes else None
    return {
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "written": dict(Counter(change.op for change in changes)),
        "unchanged": len(rows) - len({change.id for change in changes}),
        "repeated": repeated,
        "open": read.unanswered,
        "bad": [vars(problem) for problem in problems],
        "new_classes": sorted({name for row in rows for name in row.label or ()} - classes.known),
        "ignored_columns": read.ignored,
    }


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


def present(
    snapshot: Snapshot, batches: Sequence[tuple[str, list[Judgement]]], ids: Sequence[str]
) -> dict[str, Standing]:
    """{id: present state}: the snapshot and the judgements since."""
    known = recorded(snapshot, ids)
    said = standings(batches, known)
    return {sample: said.get(sample, NOTHING) for sample in ids}


def asked_again(layout: Layout, batches: Sequence[tuple[str, list[Judgement]]]) -> set[str]:
    """Labelled images that are queued for review: for these, an unchanged label is an answer."""
    answered = answers_to(batches)
    sent = ledger.read(layout.ledger)
    out = {sample for batch in sent for sample in ledger.open_ids(batch, answered)}
    out &= {row.id for batch in sent for row in batch.rows if row.label is not None}
    return out | second_looks(layout.audit, batches)[0]


def news(row: Row, known: Standing, by: str, again: bool = False) -> list[Judgement]:
    """The judgements of a row that change something; with `again` (a review), all of them."""
    return [
        judgement
        for judgement in row.judgements(by, now())
        if after(known, judgement) != known or (again and judgement.op in ANSWERS)
    ]


def complaint(file: Path, problems: Sequence[Problem]) -> str:
    lines = [f"  line {problem.line}: {problem.text}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  … and {len(problems) - SHOWN:,} more")
    return f"{file}: {len(problems):,} bad rows, nothing was written\n" + "\n".join(lines)


def render(result: dict[str, Any], console: Console) -> None:
    said = ", ".join(f"{n:,} {op}" for op, n in sorted(result["written"].items())) or "nothing new"
    rest = f"{result['unchanged']:,} as before, {result['repeated']:,} repeated"
    console.print(
        f"{said}; {rest}; {len(result['bad']):,} left out, {result['open']:,} not filled in", highlight=False
    )
    for problem in result["bad"]:
        console.print(f"  left out, line {problem['line']}: {problem['text']}", highlight=False, markup=False)
    for what in ("new_classes", "ignored_columns"):
        if result[what]:
            listed = ", ".join(result[what])
            console.print(f"{what.replace('_', ' ')}: {listed}", highlight=False, markup=False)
    if result["batch"]:
        console.print(f"written: {result['batch']}. next: commit it, `dvc repro`", highlight=False)
