"""Small pictures for a page: which of many samples get one, and the pictures as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.images import thumbnail
from assay.data.matching import positions
from assay.data.pool import Pool
from assay.errors import BadImage, MissingInput
from assay.progress import Progress, silent, track

SIZE = 48
"""Pixels of the longer side."""


def fair_share(groups: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    """Which rows get a picture: `limit` of them, of each group (n,) as many as of any other while there are any.

    Within a group those that come first: in the order of their ids, which is as good as random.
    """
    rank = np.zeros(len(groups), np.int64)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        rank[members] = np.arange(len(members))
    chosen = np.zeros(len(groups), bool)
    chosen[np.lexsort((groups, rank))[: max(0, limit)]] = True
    return chosen


def thumbnails(ids: Sequence[str], pool: Path, progress: Progress = silent) -> dict[str, str]:
    """Data URIs of those images that the pool holds and that can be read."""
    try:
        opened = Pool.open(pool)
    except MissingInput:
        return {}
    wanted = pa.array(sorted(set(ids)), pa.string())
    there = wanted.filter(pa.array(positions(wanted, opened.index["id"].combine_chunks()) >= 0)).to_pylist()
    found: dict[str, str] = {}
    for sample, data in track(progress, opened.read_many(there), "thumbnails", len(there)):
        try:
            small = thumbnail(data, SIZE)
        except BadImage:
            continue  # the pool holds sound images; one that is not has no picture here
        found[sample] = f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"
    return found
