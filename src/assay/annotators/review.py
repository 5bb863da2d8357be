"""People answer on the page of `assay review`; this annotator takes over what they have judged there.

Answers are in the journal, `labelling/review/journal.jsonl` (`assay.data.journal`). If several people judged an image,
all their judgements are taken, in the order in which they were given: the last one counts. A skipped image stays open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.annotators import AnnotatorContext
from assay.data.journal import Journal
from assay.data.ledger import Answer, Batch
from assay.params import Section

NAME = "review"
WAITS = True
FOLDER = "labelling/review"
"""Folder of the journal, in the project."""


class Options(Section):
    """None."""


def send(batch: Batch, context: AnnotatorContext) -> str:
    """Nothing is sent: the page shows the open images of the ledger. Returns what to open."""
    context.options(Options)
    return "the page of `assay review sent`"


def collect(batches: Sequence[Batch], context: AnnotatorContext) -> Iterator[Answer]:
    """The answers so far to the images of the batches."""
    context.options(Options)
    wanted = [row.id for batch in batches for row in batch.rows]
    if not wanted:
        return
    journal = Journal(context.layout.root / FOLDER)
    for sample, judgements in journal.answers.judgements(dict.fromkeys(wanted)).items():
        yield Answer(sample, tuple(judgements), f"{FOLDER}, {judgements[-1].by}")
