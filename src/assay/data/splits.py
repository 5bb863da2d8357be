"""Assignment of samples to splits, by a hash: new samples never change the split of old ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

PROTECTION = ("train", "val", "test")
"""From the least to the most protected split: of contradicting claims, the most protected split wins."""


def hashed(keys: Sequence[str], fractions: Mapping[str, float], seed: int) -> np.ndarray:
    """(n,) of str: the split of each key, by comparing its hash, a number in [0, 1), with the cumulated fractions.

    The split of a key depends on the key, the seed and the fractions only, not on the other keys.
    """
    prefix = f"{seed}:".encode()
    first8 = b"".join(hashlib.sha256(prefix + key.encode()).digest()[:8] for key in keys)
    uniform = np.frombuffer(first8, dtype=">u8").astype(np.float64) / 2**64
    edges = np.cumsum([fractions[name] for name in PROTECTION])[:-1]
    return np.array(PROTECTION)[np.searchsorted(edges, uniform, side="right")]


def follow_oldest(splits: np.ndarray, age: np.ndarray, pairs: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """(n,) splits, with every new sample in the split of the oldest sample that it duplicates.

    `age` (n,): order of arrival; `pairs` (m, 2): rows of near-duplicates; `fixed` (n,): samples that keep their split.
    Older samples never move. A new sample with duplicates in two splits follows the oldest; the leakage check reports
    the other pairs.
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
    """Id -> the most protected of its splits, of a table of claims (id, split)."""
    best: dict[str, str] = {}
    for sample, split in zip(claims["id"].to_pylist(), claims["split"].to_pylist(), strict=True):
        if sample not in best or PROTECTION.index(split) > PROTECTION.index(best[sample]):
            best[sample] = split
    return best
