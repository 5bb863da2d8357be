"""Costs of an act for `assay advise` and `assay effort`: measured in the judgements, otherwise those of the params."""

from __future__ import annotations

from collections.abc import Mapping

from assay import tasks
from assay.data import ledger
from assay.data.costs import objects_per_image
from assay.data.edits import read_batches
from assay.data.snapshot import Snapshot
from assay.data.spent import ENOUGH, Spent, per_label, per_object
from assay.layout import Layout
from assay.params import Effort, ObjectCost, Params
from assay.params.bounds import with_changes

OF_LABELS = {"label": "seconds_per_label", "review": "seconds_per_review"}
"""Act -> its key in `advise`."""


def of_labels(params: Params, layout: Layout) -> tuple[Params, str]:
    """The params with the measured seconds of `advise`, and where its seconds come from.

    A label that is objects takes the seconds of an image, and of each object that a labelled image shows on average.
    """
    if tasks.has_objects(params.task) or tasks.outlines(params.task):
        return _of_drawn(params, layout)
    found = (
        per_label(read_batches(layout.edits), ledger.read(layout.ledger)) if params.advise.measured else {}
    )
    changes = {OF_LABELS[act]: round(spent.seconds, 2) for act, spent in found.items()}
    if changes:
        params = params.model_copy(update={"advise": with_changes(params.advise, "advise", changes)})
    asked = {act: getattr(params.advise, key) for act, key in OF_LABELS.items()}
    return params, told(asked, found, "advise", params.advise.measured)


def _of_drawn(params: Params, layout: Layout) -> tuple[Params, str]:
    """`advise` with the seconds of an image with its objects: of `select.cost` by objects, otherwise of `effort`."""
    each = objects_per_image(Snapshot.load(layout.snapshot))
    price, act = params.select.cost, "mask" if tasks.outlines(params.task) else "box"
    if isinstance(price, ObjectCost):
        seconds, said = price.image + each * price.object, "by select.cost"
    else:
        asked, said = of_objects(params.effort, layout)
        seconds = asked.seconds.image + each * getattr(asked.seconds, act)
    changed = with_changes(params.advise, "advise", {"seconds_per_label": max(round(seconds, 2), 0.01)})
    review = params.advise.seconds_per_review
    whole = f"labelling an image with {each:.1f} objects takes {seconds:.3g} s, {said}"
    return params.model_copy(update={"advise": changed}), f"{whole}; a review {review:g} s, of params.yaml"


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
