"""People answer on the page of `assay review`; this annotator takes over what they have judged there.

Answers are in the journal, `labelling/review/journal.jsonl` (`assay.data.journal`). If several people judged an image,
all their judgements are taken, in the order in which they were given: the last one counts. A skipped image stays open.

The journal stays as it is: people go on while it is read. What is in the edits already, from here or by `Done`, is
passed over: it would answer the image if it is sent again, for a second look. For the same reason an image that had an
answer when it was sent is answered only by what people judged since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from assay.annotators import AnnotatorContext
from assay.data.edits import read_batches
from assay.data.journal import FOLDER, Journal, unwritten
from assay.data.ledger import Answer, Batch, sent_again
from assay.params import Section

NAME = "review"
WAITS = True


class Options(Section):
    """Where the page is."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] = "http://127.0.0.1:8420"
    """Address of `assay review`, as the browsers of people reach it."""


def send(batch: Batch, context: AnnotatorContext) -> str:
    """Nothing is sent: the page shows the open images of the ledger. Its address, without the token of a person."""
    url = context.options(Options).url.rstrip("/")
    return f"{url}/?view=sent (the page of `assay review sent`)"


def collect(batches: Sequence[Batch], context: AnnotatorContext) -> Iterator[Answer]:
    """The answers so far to the images of the batches, without those that are in the edits."""
    context.options(Options)
    wanted = dict.fromkeys(row.id for batch in batches for row in batch.rows)
    if not wanted:
        return
    answers = Journal(context.layout.root / FOLDER).answers.since(sent_again(batches))
    given = answers.judgements(wanted)
    for sample, judgements in unwritten(given, read_batches(context.layout.edits)).items():
        yield Answer(sample, tuple(judgements), f"{FOLDER}, {judgements[-1].by}")
