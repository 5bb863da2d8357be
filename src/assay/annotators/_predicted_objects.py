"""Objects that the champion predicts on images to be annotated, as the start of their annotations.

Images of the test set that were drawn at random have none: corrected predictions would bias what is measured on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from assay.annotators import AnnotatorContext
from assay.data.annotations import Annotation
from assay.data.champion import champion_model, read_champion
from assay.data.files import read_json
from assay.data.ledger import SentImage
from assay.data.queued import RULER

Predicted = tuple[list[Annotation], float | None]
"""Objects, and the expected F1 of detections; None for regions."""


def predicted_objects(rows: Sequence[SentImage], context: AnnotatorContext) -> dict[str, Predicted]:
    """{content id: objects}; empty without a champion of the task."""
    champion = read_champion(context.layout.champion)
    ids = [row.id for row in rows if row.strategy != RULER]
    if champion is None or not ids:
        return {}
    folder = champion_model(context.layout.champion, champion)
    if read_json(folder / "model.json", made_by="train")["task"] != context.params.task:
        return {}
    from assay.training.predict import predict_ids  # imports torch

    batch = context.params.evaluate.batch
    said, categories = predict_ids(folder, ids, context.layout, batch, context.progress)
    return dict(zip(ids, objects_in(said, categories), strict=True))


def objects_in(said: pa.Table, categories: Sequence[str]) -> Iterator[Predicted]:
    """The objects of each row of predictions: of detections as many as make the highest expected F1."""
    from assay.tasks.detection import best_size

    for row in said.to_pylist():
        count, expected = len(row["classes"]), None
        if "scores" in row:
            count, expected = best_size(np.array(row["scores"], np.float32))
        found = (_object(row, k, categories) for k in range(count))
        yield [one for one in found if one is not None], expected


def _object(row: dict[str, Any], k: int, categories: Sequence[str]) -> Annotation | None:
    """Object number k of a row; None without a pixel, or without an extent."""
    fields: dict[str, Any] = {"category": categories[row["classes"][k]]}
    if "masks" in row:
        fields["segmentation"] = {"size": (row["height"], row["width"]), "counts": row["masks"][k]}
    else:
        fields["bbox"] = row["boxes"][k]
    try:
        return Annotation.model_validate(fields)
    except ValidationError:
        return None
