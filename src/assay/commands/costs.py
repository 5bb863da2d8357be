"""Costs of an act for `assay advise` and `assay effort`: measured in the judgements, otherwise those of the params."""

from __future__ import annotations

from collections.abc import Mapping

from assay.data import ledger
from assay.data.edits import read_batches
from assay.data.spent import ENOUGH, Spent, per_label, per_object
from assay.layout import Layout
from assay.params import Effort, Params
from assay.params.bounds import with_changes

OF_LABELS = {"label": "seconds_per_label", "review": "seconds_per_review"}
"""Act -> its key in `advise`."""


def of_labels(params: Params, layout: Layout) -> tuple[Params, str]:
    """The params with the measured seconds of `advise`, and where its seconds come from."""
    found = (
        per_label(read_batches(layout.edits), ledger.read(layout.ledger)) if params.advise.measured else {}
    )
    changes = {OF_LABELS[act]: round(spent.seconds, 2) for act, spent in found.items()}
    if changes:
        params = params.model_copy(update={"advise": with_changes(params.advise, "advise", changes)})
    asked = {act: getattr(params.advise, key) for act, key in OF_LABELS.items()}
    return params, told(asked, found, "advise", params.advise.measured)


def of_objects(asked: Effort, layout: Layout) -> tuple[Effort, str]:
    """`effort` with the measured seconds of an image and of a box or a mask, and where its seconds come from."""
    found = per_object(read_batches(layout.edits)) if asked.measured else {}
    changes = {act: round(spent.seconds, 2) for act, spent in found.items()}
    # looking at an image: of the act with more judgements
    most = max(found.values(), key=lambda spent: spent.n, default=None)
    if most is not None and most.image is not None:
        changes["image"] = round(most.image, 2)
    if changes:
        asked = asked.model_copy(update={"seconds": with_changes(asked.seconds, "effort.seconds", changes)})
    kept = {act: getattr(asked.seconds, act) for act in ("box", "mask")}
    return asked, told(kept, found, "effort", asked.measured)


def told(asked: Mapping[str, float], found: Mapping[str, Spent], section: str, measured: bool) -> str:
    """In words: the seconds of each act, measured or of the params."""
    parts = [
        f"{act} {found[act].seconds:.3g} s [{found[act].low:.3g}, {found[act].high:.3g}], measured in "
        f"{found[act].n:,} judgements"
        if act in found
        else f"{act} {seconds:g} s, of params.yaml"
        for act, seconds in asked.items()
    ]
    note = "" if found or not measured else f" (measured from {ENOUGH} judgements with `seconds` on)"
    off = f"; {section}.measured: false takes those of params.yaml" if found else ""
    return f"seconds of people: {'; '.join(parts)}{note}{off}"
