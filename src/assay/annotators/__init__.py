"""Annotators: they answer the queue. People through files, rules, or a hidden truth in a replay.

An annotator is one file with

    WAITS: bool                              True: answers come later, possibly in parts
    Options                                  a pydantic model of `select.annotator_options`, unknown keys refused
    send(batch, context) -> str                 send a batch; returns its destination, for people
    collect(batches, context) -> answers        all answers so far to the open images of the batches
    origin(context) -> str                      optional: of a page that loads images from `assay review`

Images are identified by their content id only. `send` may be called again for a batch that was sent already (after a
crash) and must then not change it. `collect` passes on all answers, including repeated, unasked, contradictory or
invalid ones: the ledger (`assay.data.ledger`) accepts the valid ones and records why it refuses the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from assay import plugins
from assay.data.edits import Judgement
from assay.data.ledger import Answer, Batch, SentImage
from assay.errors import ParamsError
from assay.layout import Layout
from assay.params import Params
from assay.params.bounds import complaints
from assay.progress import Progress, silent

O = TypeVar("O", bound=BaseModel)  # noqa: E741


@dataclass(frozen=True)
class AnnotatorContext:
    """Layout and params of the project, for an annotator; and where it shows how far it is."""

    layout: Layout
    params: Params
    progress: Progress = silent

    def options(self, model: type[O]) -> O:
        """The validated `select.annotator_options`. ParamsError names the wrong keys and the valid ones."""
        try:
            return model.model_validate(self.params.select.annotator_options)
        except ValidationError as error:
            wrong = "; ".join(complaints(error))
            raise ParamsError(
                f"select.annotator_options of {self.params.select.annotator}: {wrong}",
                hint=f"valid: {', '.join(model.model_fields) or 'none'}; "
                f"see src/assay/annotators/{self.params.select.annotator}.py",
            ) from None


def ask(name: str, ids: Sequence[str], context: AnnotatorContext) -> list[Judgement]:
    """Answers of an annotator that does not wait, without a record in the ledger: for replays.

    ParamsError if the annotator waits.
    """
    annotator = plugins.load("annotators", name)
    if annotator.WAITS:
        raise ParamsError(
            f"annotator {name} answers later; answers are needed at once here",
            hint="in a replay set select.annotator: oracle",
        )
    batch = Batch("", name, now(), tuple(SentImage(id=sample) for sample in ids))
    answers: list[Answer] = list(annotator.collect([batch], context))
    return [judgement for answer in answers for judgement in answer.judgements]


def now() -> str:
    """The present second, UTC, as ISO 8601: the `at` of a judgement."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
