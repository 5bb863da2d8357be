"""Python values as Arrow columns, without pandas: `pyarrow.array` would import it, which takes 0.5 s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

MOST = 2**31 - 1
"""Largest number of bytes of text in an array: its offsets are 32 bits wide."""


def table(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """A table of rows in the column order of a schema: texts (or None), integers, booleans."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([column(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Bitwise equal to `pyarrow.array(values, kind)`."""
    if pa.types.is_string(kind):
        return _texts(values)
    if pa.types.is_boolean(kind):
        bits = np.packbits(np.fromiter(values, bool, len(values)), bitorder="little")
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(bits)])
    numbers = np.fromiter(values, f"i{kind.bit_width // 8}", len(values))
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(numbers)])


def _texts(values: Sequence[str | None]) -> pa.Array:
    encoded = [b"" if value is None else value.encode() for value in values]
    if (size := sum(map(len, encoded))) > MOST:
        raise OverflowError(f"{size:,} bytes of text are too many for one column: commit more often")
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), np.int32, len(values) + 1)
    nulls = sum(value is None for value in values)
    valid = None
    if nulls:
        held = np.fromiter((value is not None for value in values), bool, len(values))
        valid = pa.py_buffer(np.packbits(held, bitorder="little"))
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers, nulls)
