"""Suggestions, to accept or to correct in the editor: what the champion sees, and corrections of suspected objects.

What the champion sees, on images without labels, are the predictions that `assay select` keeps to choose the queue;
nothing is predicted here. Of a detector, those from the score on at which it expects the best F1. Test and val images
get none: people agree with a model they see, which would bias what is measured on these. Corrections are shown in the
view of the suspects, which the audit chose: never of test images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from assay.data.annotations import Annotation
from assay.data.champion import champion_model, read_champion
from assay.data.corrections import Correction, corrected
from assay.data.files import read_json, recall
from assay.data.object_suspects import correction
from assay.errors import AssayError
from assay.labels.listing import likely
from assay.layout import Layout

Suggested = dict[str, Any]
"""An annotation as JSON; `score` where the model has one; `instead`: indices of the annotations that it replaces."""


class Suggestions:
    """Those of the present champion, read as they are asked for."""

    def __init__(self, layout: Layout) -> None:
        self.file, self.categories = _memory(layout)

    def of(self, ids: Sequence[str]) -> dict[str, list[Suggested]]:
        """{content id: objects}, of the images of `ids` that were predicted."""
        if self.file is None or not ids:
            return {}
        file, wanted = self.file, list(ids)
        table = recall(lambda: pq.read_table(file, filters=[("id", "in", wanted)]))
        rows = [] if table is None else table.to_pylist()
        return {row["id"]: objects_of(row, self.categories) for row in rows}


def _memory(layout: Layout) -> tuple[Path | None, Sequence[str]]:
    """The predictions of the champion and its classes; without one, or without predictions, None."""
    from assay.stages.select import memory

    try:
        champion = read_champion(layout.champion)
        if champion is None or not (file := memory(layout, champion)).exists():
            return None, ()
        about = read_json(champion_model(layout.champion, champion) / "model.json", made_by="train")
    except AssayError:  # such as weights that are not there: what is judged does not depend on suggestions
        return None, ()
    return file, about["categories"]


def objects_of(row: Mapping[str, Any], categories: Sequence[str]) -> list[Suggested]:
    """The objects of a row of predictions, in the columns of its task."""
    from assay.tasks.detection import best_size

    scores, boxes, counts = (row.get(name) for name in ("scores", "boxes", "masks"))
    shown = len(row["classes"]) if scores is None else best_size(np.asarray(scores, np.float32))[0]
    made = []
    for n, number in enumerate(row["classes"][:shown]):
        one: Suggested = {"category": categories[number]}
        if counts is not None:
            one["segmentation"] = {"size": [row["height"], row["width"]], "counts": counts[n]}
        elif boxes is not None:
            one["bbox"] = list(boxes[n])
        made.append(one if scores is None else {**one, "score": scores[n]})
    return made


# --- suspected objects


def corrections(notes: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> list[Suggested]:
    """What suspected objects would become. `notes`: the annotations of the image, as JSON; `found`: its suspicions.

    Nothing for an object that would go, and for one that is not there any more.
    """
    there = [Annotation.model_validate(note) for note in notes]
    groups: dict[object, list[Correction]] = {}
    for n, one in enumerate(map(correction, found)):
        groups.setdefault(n if one.box is None else (one.category, one.box), []).append(one)
    made = []
    for group in groups.values():
        with suppress(LookupError):
            after = corrected(there, group)
            stays, was = (
                set(map(id, after)),
                set(map(id, there)),
            )  # those that do not change are the same objects
            gone = [n for n, one in enumerate(there) if id(one) not in stays]
            made += [_as_json(one) | {"instead": gone} for one in after if id(one) not in was]
    return made


def _as_json(note: Annotation) -> Suggested:
    return note.model_dump(mode="json", exclude_defaults=True)


def in_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """A suspicion for the page: `text`, and where it is: boxes of the suggestion and of the label, px."""
    names = [row["given"], *([row["suggested"]] if row["suggested"] != row["given"] else [])]
    what = " → ".join(name for name in names if name)
    boxes = [box for box in (row["suggested_box"], row["box"]) if box is not None]
    return {
        "text": f"{row['kind']} {what}, {likely(row['probability'])}: {row['reason']}",
        "boxes": boxes,
        "focus": row["focus"] or boxes[0],
    }
