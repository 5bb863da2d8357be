"""The queue: the images to label or review next, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.data.suspects import REVIEW, read_judged, share_of, suspects, worth
from assay.data.training_set import drawn_order

RULER = "ruler"
"""Strategy, in the queue, of val and test images."""
QUEUE = pa.schema(
    {
        "rank": pa.int32(),
        "id": pa.string(),
        "score": pa.float64(),
        "strategy": pa.string(),
        "reason": pa.string(),
        "predicted": pa.string(),
        "confidence": pa.float64(),
        "split": pa.string(),
    }
)


@dataclass(frozen=True)
class Queued:
    """One image of the queue."""

    id: str
    score: float
    strategy: str
    reason: str
    split: str
    predicted: str | None = None
    confidence: float | None = None


def queue_table(queue: Sequence[Queued]) -> pa.Table:
    """QUEUE rows, ranks from 0."""
    rows = [{"rank": rank, **asdict(row)} for rank, row in enumerate(queue)]
    return pa.Table.from_pylist(rows, schema=QUEUE)


def ruler_size(halfwidth: float) -> int:
    """Labels for a 95 % interval of an accuracy of ± h, `halfwidth`, in the worst case p = ½: ¼ (1.96 / h)²."""
    return ceil(0.25 * (1.96 / halfwidth) ** 2)


def ruler_queue(
    unlabelled: Mapping[str, Sequence[str]], have: Mapping[str, int], halfwidth: float, seed: int
) -> list[Queued]:
    """Test and val images drawn at random, until each split in `unlabelled` has `ruler_size` labels.

    No model chooses them and no prediction is shown with them: either would bias the estimate of the model's accuracy.
    """
    need = ruler_size(halfwidth)
    turns: list[tuple[float, Queued]] = []
    for split, ids in unlabelled.items():
        drawn = drawn_order(ids, seed, RULER)[: max(need - have[split], 0)]
        reason = f"{split} has {have[split]} of the {need} labels that its interval needs; drawn at random"
        turns += [
            ((turn + 0.5) / len(drawn), Queued(sample, 0.0, RULER, reason, split))
            for turn, sample in enumerate(drawn)
        ]
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]


def review_queue(
    audit: Path,
    share: float | Literal["auto"],
    budget: float,
    costs: Callable[[list[str]], NDArray[np.floating]],
    new_ones: bool,
) -> tuple[list[Queued], float]:
    """Labels to review, the most probably wrong first, and their total cost.

    `share`: of the budget. `auto`: the labels with `worth` ≥ 1; all suspects if there are no new images (`new_ones`).
    """
    if share == 0 or budget <= 0:
        return [], 0.0
    judged = read_judged(audit)
    rows = suspects(judged).to_pylist()
    if share == "auto" and new_ones:
        classes = len(pc.unique(judged["given"]))
        rows = [row for row in rows if worth(row["probability"], share_of(judged).value, classes) >= 1]
    spent = np.cumsum(costs([row["id"] for row in rows]), dtype=np.float64)
    most = budget if share == "auto" else share * budget
    paid = int(np.searchsorted(spent, most, side="right"))
    return [_review(row) for row in rows[:paid]], float(spent[paid - 1]) if paid else 0.0


def _review(row: dict[str, Any]) -> Queued:
    wrong = row["probability"]
    reason = f"labelled {row['given']!r}, wrong with probability {wrong:.2f}: {row['reason']}"
    return Queued(row["id"], wrong, REVIEW, reason, row["split"], row["suggested"], wrong)


def mixed(some: list[Queued], others: list[Queued]) -> list[Queued]:
    """The two lists interleaved: each keeps its order and is spread evenly over the result."""
    turns = [((n + 0.5) / len(rows), row) for rows in (some, others) for n, row in enumerate(rows)]
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]
