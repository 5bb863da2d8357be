"""Whether cleaning pays: said from the estimated share of wrong labels, as it was measured (benchmarks/README.md)."""

from __future__ import annotations

from typing import Any

DROPPING_PAYS = 0.3
"""Share of wrong labels from which on a model may learn more without the suspects than with them."""
CLEAN = 0.02
"""What the audit estimates where no label is wrong, at most about this: hard images look a little like wrong ones."""


def payoff(rate: float, count: int) -> dict[str, Any]:
    """`rate`: estimated share of wrong labels; `count`: suspects."""
    share = f"about {rate:.0%} of the labels are wrong"
    if not count or rate <= CLEAN:
        return {
            "dropping": False,
            "text": f"{share}, hardly more than where none is: look at the first suspects, and leave the others",
        }
    if rate < DROPPING_PAYS:
        return {
            "dropping": False,
            "text": f"{share}: leaving the suspects out does not pay at this rate, as hard images that are labelled "
            "rightly go with them; what pays is people who look at them (`--csv`)",
        }
    return {
        "dropping": True,
        "text": f"{share}: at this rate leaving the suspects out helps a model that learns wrong labels by heart; "
        "people who look at them (`--csv`) help any model, and more",
    }
