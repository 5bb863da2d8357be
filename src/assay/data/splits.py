"""Which split a sample belongs to: decided by a hash, so that new data never moves old data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

PROTECTION = ("train", "val", "test")
"""From the least to the most protected: where claims contradict each other, the test set is left alone."""


def hashed(keys: Sequence[str], fractions: Mapping[str, float], seed: int) -> np.ndarray:
    """The split of each key, (n,) of str: its hash, as a number in [0, 1), against the cumulated fractions.

    A key's split depends on nothing but the key, the seed and the fractions: not on the other keys.
    """
    prefix = f"{seed}:".encode()
    first8 = b"".join(hashlib.sha256(prefix + key.encode()).digest()[:8] for key in keys)
    uniform = np.frombuffer(first8, dtype=">u8").astype(np.float64) / 2**64
    edges = np.cumsum([fractions[name] for name in PROTECTION])[:-1]
    return np.array(PROTECTION)[np.searchsorted(edges, uniform, side="right")]


def follow_oldest(splits: np.ndarray, age: np.ndarray, pairs: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Splits (n,) after every newcomer has followed the oldest sample it duplicates.

    `age` (n,) counts arrivals, `pairs` (m, 2) are rows of near-duplicates, `fixed` (n,) marks samples whose split
    somebody has decided. Older samples never move; a newcomer that bridges two splits follows one of them,
    and the leakage check reports the other.
    """
    splits = splits.copy()
    if not len(pairs):
        return splits
    swap = age[pairs[:, 0]] < age[pairs[:, 1]]
    newer, older = np.where(swap, pairs[:, 1], pairs[:, 0]), np.where(swap, pairs[:, 0], pairs[:, 1])
    order = np.lexsort((age[older], age[newer]))
    newer, older = newer[order], older[order]
    first = np.unique(newer, return_index=True)[1]
    for k in sorted(first.tolist(), key=lambda k: int(age[newer[k]])):
        if not fixed[newer[k]]:
            splits[newer[k]] = splits[older[k]]
    return splits


def most_protected(claims: pa.Table) -> dict[str, str]:
    """For a table of (id, split) claims, the most protected split that anyone claims for each id."""
    best: dict[str, str] = {}
    for sample, split in zip(claims["id"].to_pylist(), claims["split"].to_pylist(), strict=True):
        if sample not in best or PROTECTION.index(split) > PROTECTION.index(best[sample]):
            best[sample] = split
    return best
