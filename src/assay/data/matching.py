"""Positions of ids in other ids: the join behind all comparisons of two snapshots."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Rows = NDArray[np.int64]
ID_LENGTH, KEY_LENGTH = 64, 16
"""Hex digits of a content id, and of its search key (64 bits)."""


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array. A single chunk is not copied; `combine_chunks` would copy it."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def positions(wanted: pa.Array, ids: pa.Array) -> Rows:
    """The row of each of `wanted` in `ids`; −1 if it is not in there.

    Equal to `pc.index_in`, and five times faster for sorted content ids, as in snapshots: a binary search by the first
    64 bits, then a comparison of the whole ids.
    """
    keys, searched = _keys(ids), _keys(wanted)
    if keys is None or searched is None or not np.all(keys[1:] > keys[:-1]):
        found = pc.index_in(wanted, value_set=ids)
        return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    if len(ids) == len(wanted) and np.array_equal(keys, searched):
        rows = np.arange(len(ids), dtype=np.int64)
        there = ids
    else:
        rows = np.minimum(np.searchsorted(keys, searched), len(ids) - 1).astype(np.int64)
        there = ids.take(pa.array(rows))
    return np.where(pc.equal(there, wanted).to_numpy(zero_copy_only=False), rows, -1)


def _keys(ids: pa.Array) -> NDArray[np.uint64] | None:
    """The first 64 bits of content ids as numbers, in the order of the ids; None if a text has another length."""
    if ids.type != pa.string() or ids.null_count:
        return None
    starts = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + len(ids) + 1]
    if not len(ids):
        return np.zeros(0, np.uint64)
    if not np.array_equal(starts, starts[0] + np.arange(len(ids) + 1, dtype=np.int64) * ID_LENGTH):
        return None
    text = np.frombuffer(ids.buffers()[2], np.uint8)[starts[0] : starts[-1]]
    words = text.reshape(-1, ID_LENGTH)[:, :KEY_LENGTH].copy().view(">u8").astype(np.uint64)
    return (_packed(words[:, 0]) << np.uint64(32)) | _packed(words[:, 1])


def _packed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Eight hex digits in the eight bytes of each word -> 32 bits.

    Words that are no hex digits give numbers as well, equal ones for equal words; the caller checks the order.
    """
    digits = (words & _every(0x0F)) + np.uint64(9) * (words >> np.uint64(6) & _every(0x01))
    for bits in (4, 8, 16):  # merge neighbours: 8 digits, 4 pairs, 2 quadruples
        digits = (digits | digits >> np.uint64(bits)) & MASKS[bits]
    return digits


def _every(byte: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([byte]) * 8))


MASKS = {
    4: np.uint64(0x00FF00FF00FF00FF),
    8: np.uint64(0x0000FFFF0000FFFF),
    16: np.uint64(0x00000000FFFFFFFF),
}
