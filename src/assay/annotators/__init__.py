"""Who answers the queue: people through a tool, rules, or a hidden truth.

An annotator is one file with

    WAITS: bool                              True: answers come later, perhaps in parts, and may be waited for
    Options                                  a pydantic model of `select.annotator_options`, unknown keys refused
    send(batch, desk) -> str                 hand a batch over; where it went, for people
    collect(batches, desk) -> answers        all answers that there are by now to what is still open of the batches

Images are named by their content id, going out and coming in, and by nothing else. `send` may be called again for a
batch that is out already (somebody pulled the plug in between) and must then leave it as it is. `collect` may repeat
itself, answer what it was not asked, contradict itself or give nonsense: it passes on all that came, and the ledger
(src/assay/data/ledger.py) takes from it what can be taken and puts the rest on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from assay import plugins
from assay.data.edits import Judgement
from assay.data.ledger import Answer, Asked, Batch
from assay.errors import ParamsError
from assay.layout import Layout
from assay.params import Params
from assay.params.bounds import complaints

O = TypeVar("O", bound=BaseModel)  # noqa: E741


@dataclass(frozen=True)
class Desk:
    """The project that an annotator works for."""

    layout: Layout
    params: Params

    def options(self, model: type[O]) -> O:
        """`select.annotator_options`, checked. ParamsError names the keys that are wrong, and the valid ones."""
        try:
            return model.model_validate(self.params.select.annotator_options)
        except ValidationError as error:
            wrong = "; ".join(complaints(error))
            raise ParamsError(
                f"select.annotator_options of {self.params.select.annotator}: {wrong}",
                hint=f"valid: {', '.join(model.model_fields) or 'none'}; "
                f"see src/assay/annotators/{self.params.select.annotator}.py",
            ) from None


def ask(name: str, ids: Sequence[str], desk: Desk) -> list[Judgement]:
    """What an annotator that needs no waiting says of some images, with nothing put on record: for replays."""
    annotator = plugins.load("annotators", name)
    if annotator.WAITS:
        raise ParamsError(
            f"annotator {name} answers later: here nobody waits",
            hint="in a replay set select.annotator: oracle",
        )
    batch = Batch("", name, now(), tuple(Asked(id=sample) for sample in ids))
    answers: list[Answer] = list(annotator.collect([batch], desk))
    return [judgement for answer in answers for judgement in answer.judgements]


def now() -> str:
    """The present second, UTC, as ISO 8601: the `at` of a judgement."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
