"""Whether cleaning pays: said from the share of wrong labels, as it was measured (benchmarks/README.md)."""

from __future__ import annotations

from typing import Any

from assay.data.suspects import WrongShare

DROPPING_PAYS = 0.1
"""Share of wrong labels from which on leaving suspects out did no harm. What it gained cannot be told from nothing
(planted noise, linear probe: +0.4 ± 0.4 points of accuracy at 40 %)."""


def payoff(share: WrongShare, count: int) -> dict[str, Any]:
    """Of `count` suspects: whether to leave them out, and in words what to do."""
    said = f"{share} of the labels are wrong ({share.by})"
    if share.can_be_nothing:
        return {
            "dropping": False,
            "text": f"{said}: it may be none, as what the model disagrees with may be hard images; do not clean by "
            "these probabilities",
        }
    if not count or share.value < DROPPING_PAYS:
        return {
            "dropping": False,
            "text": f"{said}: leaving the suspects out does not pay at this rate, as hard images that are labelled "
            "rightly go with them; what pays is people who look at them (`--csv`)",
        }
    return {
        "dropping": True,
        "text": f"{said}: people who look at the suspects (`--csv`) help most; leaving the suspects out does no "
        "harm at this rate, and may help",
    }
