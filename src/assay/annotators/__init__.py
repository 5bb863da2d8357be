"""Who answers the queue: people through a tool, rules, or a hidden truth.

An annotator is one file with

    answer(queue, layout, params) -> list[Judgement]

`queue` has the columns of data/selection/queue.parquet. An annotator gives at most one answer to an image: a
`label`, or an `exclude` with the reason. Whatever it gives no answer to is reported as open: every id sent is
accounted for.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The present second, UTC, as ISO 8601: the `at` of a judgement."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
