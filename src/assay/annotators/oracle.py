"""The hidden truth answers: for replays and benchmarks, where labels are known but not shown."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from assay.annotators import now
from assay.data.edits import Annotation, Judgement
from assay.data.pool import side_table
from assay.layout import Layout
from assay.params import Params

NAME = "oracle"
ANNOTATIONS = TypeAdapter(list[Annotation])


def answer(queue: pa.Table, layout: Layout, params: Params) -> list[Judgement]:
    """One judgement for each id that the truth knows, in the order of the queue."""
    truth = side_table(layout.pool, "truth")
    truth = truth.filter(pc.is_in(truth["id"], value_set=queue["id"].combine_chunks()))
    known = dict(zip(truth["id"].to_pylist(), truth["annotations"].to_pylist(), strict=True))
    at = now()
    return [judge(sample, known[sample], at) for sample in queue["id"].to_pylist() if sample in known]


def judge(sample: str, annotations: str, at: str) -> Judgement:
    """A label; or, for an image with nothing on it, that it should be left out."""
    seen = ANNOTATIONS.validate_json(annotations)
    if not seen:
        return Judgement(id=sample, op="exclude", by=NAME, at=at, why="nothing on it")
    return Judgement(id=sample, op="label", annotations=seen, by=NAME, at=at)
