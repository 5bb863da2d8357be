from __future__ import annotations

import json

import pyarrow as pa
import pytest

from assay.data.costs import costs_of
from assay.data.snapshot import ANNOTATIONS, SAMPLES, Snapshot
from assay.errors import ParamsError


def snapshot(**metadata: dict) -> Snapshot:
    empty = dict.fromkeys(SAMPLES.names)
    rows = [{**empty, "id": sample, "metadata": json.dumps(told)} for sample, told in metadata.items()]
    return Snapshot(pa.Table.from_pylist(rows, schema=SAMPLES), ANNOTATIONS.empty_table(), ())


def test_it_is_the_number_in_the_column_in_the_order_asked_for():
    snap = snapshot(a={"minutes": "2.5"}, b={"minutes": "1"}, c={})
    assert costs_of(snap, "minutes", ["b", "a"]).tolist() == [1.0, 2.5]


def test_without_a_column_every_image_costs_one():
    assert costs_of(snapshot(a={}), None, ["a", "a"]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "told",
    [{}, {"minutes": ""}, {"minutes": "long"}, {"minutes": "0"}, {"minutes": "-1"}, {"minutes": "inf"}],
)
def test_what_is_no_cost_is_named_with_the_columns_there_are(told):
    snap = snapshot(good={"minutes": "2"}, bad={**told, "line": "7"})
    with pytest.raises(
        ParamsError, match=r"1 of 2 images have no positive number .*'minutes', such as bad"
    ) as error:
        costs_of(snap, "minutes", ["good", "bad"])
    assert "line, minutes" in error.value.hint
