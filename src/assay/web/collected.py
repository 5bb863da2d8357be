"""Answers that are in an edit batch while the journal is still open: a round has taken them over.

An answer that nobody has taken over is withdrawn by an undo, as if it had not been given. One that was taken over stays
in its batch; what it changed is given back by a correction, a new answer, which `Done` writes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from assay.data.edits import Judgement
from assay.data.journal import Event, Given, unwritten
from assay.data.standing import Standing, standings
from assay.errors import UsageError

STAYS = "a round has taken this answer over, and the image had no label before it: give another answer, or exclude it"


def collected(given: Given, history: Sequence[Judgement]) -> bool:
    """Whether an answer is one of the judgements in the edit batches, of the same image."""
    said = given.judgement()
    return said is not None and not unwritten({said.id: [said]}, [("", history)])


def taken_back(event: Event, given: Given, history: Sequence[Judgement], imported: str | None) -> Event:
    """The correction to store instead of a withdrawal of a collected answer; or the withdrawal, if it changes nothing.

    `history`: the judgements on the image in the edit batches; `imported`: the annotations it came with, as JSON.
    UsageError if only a label is left to take away: an edit cannot do that.
    """
    others = [one for one in history if not collected(given, [one])]
    base = {event.id: Standing(imported)}
    before, now = (standings([("", held)], base)[event.id] for held in (others, history))
    if before == now:
        return event
    if before.annotations == now.annotations:
        return event.model_copy(update={"act": "include" if now.excluded else "exclude"})
    if before.annotations is None:
        raise UsageError(STAYS)
    notes = json.loads(before.annotations)
    return Event.model_validate(event.model_dump() | {"act": "label", "annotations": notes})
