from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from assay.data.ledger import Batch, SentImage
from assay.params import Iterate
from assay.rounds.waiting import due, goes_on, so_far

SENT = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = Batch(
    "0001-file-00000000", "file", "2026-01-01T00:00:00Z", tuple(SentImage(id=f"{n}") for n in range(4))
)


@pytest.mark.parametrize(
    ("rules", "still_open", "hours", "on"),
    [
        (Iterate(), 0, 0, True),
        (Iterate(), 1, 1000, False),
        (Iterate(enough=0.75), 1, 0, True),
        (Iterate(enough=0.75), 2, 0, False),
        (Iterate(deadline=2.0), 3, 1.9, False),
        (Iterate(deadline=2.0), 3, 2, True),
        (Iterate(deadline=2.0), 4, 1000, False),  # without any answer
    ],
)
def test_a_round_goes_on_with_enough_answers_or_at_its_deadline_with_some(rules, still_open, hours, on):
    assert goes_on(BATCH, still_open, rules, SENT + timedelta(hours=hours)) is on


def test_what_it_waits_for_in_a_line():
    assert due(BATCH, Iterate()) is None
    assert so_far(BATCH, 3, Iterate()) == "1 of 4 images are answered; goes on with all"
    assert so_far(BATCH, 3, Iterate(enough=0.8, deadline=30.5)) == (
        "1 of 4 images are answered; goes on with 80%, or at 2026-01-02 06:30 UTC with at least one"
    )
