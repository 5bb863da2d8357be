from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import columns

TEXTS = st.lists(st.none() | st.text(max_size=20), max_size=40)
NUMBERS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40)


@settings(deadline=None)  # the first pyarrow.array imports pandas
@given(TEXTS)
def test_texts_are_what_pyarrow_makes_of_them(values):
    made = columns.column(values, pa.string())
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string()))
    assert made.null_count == values.count(None)


@settings(deadline=None)
@given(NUMBERS, st.sampled_from([pa.int32(), pa.int64()]))
def test_numbers_are_what_pyarrow_makes_of_them(values, kind):
    assert columns.column(values, kind).equals(pa.array(values, kind))


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_truths_are_what_pyarrow_makes_of_them(values):
    assert columns.column(values, pa.bool_()).equals(pa.array(values, pa.bool_()))


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(OverflowError):
        columns.column([2**40], pa.int32())


def test_a_table_of_rows_or_of_none():
    schema = pa.schema({"id": pa.string(), "n": pa.int64()})
    assert columns.table([("a", 1), (None, 2)], schema).to_pylist() == [
        {"id": "a", "n": 1},
        {"id": None, "n": 2},
    ]
    assert columns.table([], schema).equals(schema.empty_table())


def test_pandas_is_not_imported_for_it():
    program = (
        "import sys, pyarrow as pa; from assay.data.columns import table\n"
        "table([('a', 1)], pa.schema({'id': pa.string(), 'n': pa.int64()}))\n"
        "print([m for m in ('pandas', 'pyarrow.compute') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
