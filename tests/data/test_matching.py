"""The quick join says what pyarrow's own says, whatever it is given."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.matching import positions


def content(numbers) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in numbers]


def plainly(wanted: pa.Array, ids: pa.Array) -> list[int]:
    return pc.fill_null(pc.index_in(wanted, value_set=ids), -1).to_pylist()


numbers = st.lists(st.integers(0, 60), unique=True)


@settings(deadline=None)
@given(numbers, numbers, st.booleans(), st.integers(0, 3))
def test_it_says_what_pyarrow_says(some, others, in_order, cut):
    a, b = content(some), content(others)
    ids = pa.array(sorted(a) if in_order else a, pa.string()).slice(cut)
    wanted = pa.array(b, pa.string()).slice(cut)
    assert positions(wanted, ids).tolist() == plainly(wanted, ids)
    assert positions(ids, ids).tolist() == list(range(len(ids)))


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["a", "b"], ["b", "c", "a"]),
        (["é" * 32, "f" * 64], ["f" * 64]),
        (["0" * 64, "0" * 63 + "1"], ["0" * 63 + "1", "0" * 63 + "2"]),
        (["0" * 64], ["0" * 63 + "1"]),
        (["0" * 64], [None, "0" * 64]),
        (["g" * 64], ["7" * 64]),
        ([], ["0" * 64]),
        (["0" * 64], []),
    ],
)
def test_other_texts_and_equal_beginnings(ids, wanted):
    ids, wanted = pa.array(ids, pa.string()), pa.array(wanted, pa.string())
    found = positions(wanted, ids)
    assert found.dtype == np.int64
    assert found.tolist() == plainly(wanted, ids)
