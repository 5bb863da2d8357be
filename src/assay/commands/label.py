"""`assay label FILE`: an edit batch from a file of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from assay.commands import label_images, label_objects
from assay.commands.label_changes import LabelContext
from assay.commands.workspace import writes
from assay.data.edits import write_batch
from assay.data.labelfile import Problem
from assay.errors import EditError
from assay.layout import Layout
from assay.params import Params

SHOWN = 20
"""Most invalid rows named in an error."""


@writes("judgements")
def run(
    params: Params,
    layout: Layout,
    file: Path,
    by: str | None = None,
    skip_bad: bool = False,
    allow_new_classes: bool = False,
) -> dict[str, Any]:
    """Check every filled-in row, one for each image or for each object, then write one edit batch.

    EditError with all invalid rows, without writing anything, unless `skip_bad`.
    """
    context = LabelContext.load(params, layout, by, allow_new_classes)
    kind = label_objects if label_objects.is_of_objects(file) else label_images
    found = kind.read(file, context)
    problems = sorted(found.problems, key=lambda problem: problem.line)
    if problems and not skip_bad:
        raise EditError(complaint(file, problems), hint="correct them, or `--skip-bad` to accept the others")
    source = f"{file.stem}-{context.by}"  # two people name their files alike: to-label.csv
    batch = write_batch(layout.edits, source, found.judgements) if found.judgements else None
    return {
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "written": dict(Counter(judgement.op for judgement in found.judgements)),
        "unchanged": found.unchanged,
        "repeated": found.repeated,
        "open": found.open,
        "bad": [vars(problem) for problem in problems],
        "new_classes": context.new_classes(found.judgements),
        "ignored_columns": found.ignored,
    }


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
