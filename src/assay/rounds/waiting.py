"""How long a round waits for answers: until enough images are answered, or its deadline has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from assay.data.ledger import Batch
from assay.params import Iterate


def due(batch: Batch, rules: Iterate) -> datetime | None:
    """When a round goes on with the answers that there are; None: never."""
    if rules.deadline is None:
        return None
    return datetime.fromisoformat(batch.at) + timedelta(hours=rules.deadline)


def goes_on(batch: Batch, still_open: int, rules: Iterate, now: datetime | None = None) -> bool:
    """Whether a round goes on. At the deadline it needs one answer: without any, there is nothing to learn from."""
    sent = len(batch.rows)
    if still_open <= (1 - rules.enough) * sent:
        return True
    end = due(batch, rules)
    return end is not None and still_open < sent and (now or datetime.now(UTC)) >= end


def so_far(batch: Batch, still_open: int, rules: Iterate) -> str:
    """The state of a batch in a line: `3 of 4 images are answered; goes on at 2026-11-27 09:00 UTC`."""
    end = due(batch, rules)
    sent = len(batch.rows)
    needed = "all" if rules.enough == 1 else f"{rules.enough:.0%}"
    limit = "" if end is None else f", or at {end:%Y-%m-%d %H:%M} UTC with at least one"
    return f"{sent - still_open:,} of {sent:,} images are answered; goes on with {needed}{limit}"
