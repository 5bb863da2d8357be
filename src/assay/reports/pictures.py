"""Thumbnails for a page: the choice of samples that get one, and the images as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.images.decode import thumbnail
from assay.data.matching import positions, whole
from assay.data.pool import Pool
from assay.errors import BadImage, MissingInput
from assay.progress import Progress, silent, track

SIZE = 48
"""Pixels of the longer side."""


def fair_share(groups: NDArray[np.int64], there: NDArray[np.bool_], limit: int) -> NDArray[np.bool_]:
    """(n,) which rows get a picture: `limit` of those that are `there` (n,), divided evenly over `groups` (n,).

    Within a group the first rows; they are ordered by id, a hash, which is as good as random.
    """
    rank = np.zeros(len(groups), np.int64)
    for group in np.unique(groups):
        members = np.flatnonzero((groups == group) & there)
        rank[members] = np.arange(len(members))
    order = np.lexsort((groups, rank))
    chosen = np.zeros(len(groups), bool)
    chosen[order[there[order]][: max(0, limit)]] = True
    return chosen


def opened(pool: Path) -> Pool | None:
    """The pool; None if there is none."""
    try:
        return Pool.open(pool)
    except MissingInput:
        return None


def held(ids: pa.Array, pool: Pool | None) -> NDArray[np.bool_]:
    """(n,) which images are in the pool."""
    if pool is None:
        return np.zeros(len(ids), bool)
    return positions(ids, whole(pool.index["id"])) >= 0


def thumbnails(
    ids: Sequence[str], pool: Pool | None, progress: Progress = silent, size: int = SIZE
) -> dict[str, str]:
    """{id: data URI} of the images in the pool that can be decoded; `size`: px of the longer side."""
    if pool is None:
        return {}
    found: dict[str, str] = {}
    for sample, data in track(progress, pool.read_many(ids), "thumbnails", len(set(ids))):
        with suppress(BadImage):
            small = thumbnail(data, size)
            found[sample] = f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"
    return found
