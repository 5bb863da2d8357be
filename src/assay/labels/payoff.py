"""Whether cleaning pays at an estimated share of wrong labels; the limits were measured in benchmarks/README.md."""

from __future__ import annotations

from typing import Any

from assay.data.suspects import WrongShare

DROPPING_PAYS = 0.1
"""Share of wrong labels from which on leaving suspects out did no harm. The gain was not significant (planted noise,
linear probe: +0.4 ± 0.4 points of accuracy at 40 %)."""


def payoff(share: WrongShare, count: int) -> dict[str, Any]:
    """Advice on `count` suspects: whether leaving them out pays, and a text that says what to do."""
    said = f"{share} of the labels are wrong ({share.by})"
    if share.can_be_nothing:
        return {
            "dropping": False,
            "text": f"{said}: possibly none, since the model may disagree with hard images that are labelled "
            "rightly; do not clean by these probabilities",
        }
    if not count or share.value < DROPPING_PAYS:
        return {
            "dropping": False,
            "text": f"{said}: excluding the suspects does not pay at this rate, since hard images with right labels "
            "are excluded too; reviewing them does (`--csv`)",
        }
    return {
        "dropping": True,
        "text": f"{said}: reviewing the suspects (`--csv`) helps most; excluding them does no harm at this rate, "
        "and may help",
    }
