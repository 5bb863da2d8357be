from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay import plugins
from assay.annotators import oracle
from assay.layout import Layout
from assay.params import Ingest, Params, Source

PARAMS = Params(ingest=Ingest(sources=[Source(name="s", format="demo")]))


@pytest.fixture
def layout(tmp_path) -> Layout:
    truth = tmp_path / "data" / "pool" / "truth"
    truth.mkdir(parents=True)
    rows = [("a", '[{"category":"cat"}]'), ("b", "[]"), ("c", '[{"category":"dog","bbox":[1,2,3,4]}]')]
    for part, (sample, text) in enumerate(rows):
        pq.write_table(pa.table({"id": [sample], "annotations": [text]}), truth / f"{part:05d}.parquet")
    return Layout(tmp_path)


def test_it_answers_what_it_knows_in_the_order_of_the_queue(layout):
    said = oracle.answer(pa.table({"id": ["c", "nobody", "a"]}), layout, PARAMS)
    assert [(j.id, j.op, j.annotations[0].category) for j in said] == [
        ("c", "label", "dog"),
        ("a", "label", "cat"),
    ]
    assert said[0].annotations[0].bbox == (1, 2, 3, 4)
    assert {j.by for j in said} == {"oracle"}


def test_an_image_with_nothing_on_it_is_left_out_with_the_reason(layout):
    (said,) = oracle.answer(pa.table({"id": ["b"]}), layout, PARAMS)
    assert (said.op, said.why) == ("exclude", "nothing on it")


@pytest.mark.parametrize("name", plugins.names("annotators"))
def test_every_annotator_answers_nothing_it_was_not_asked(name, layout):
    queue = pa.table({"id": pa.array([], pa.string())})
    assert plugins.load("annotators", name).answer(queue, layout, PARAMS) == []
