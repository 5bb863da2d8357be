"""A pool in files: embeddings from a mixture of Gaussians, and probabilities as of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assay.strategies import Candidates

CLUSTERS, CLASSES = 50, 10
BLOCK = 50_000
LABELLED = 500
"""Number of labels for strategies that fit a probe."""


def write_mixture(folder: Path, n: int, d: int, seed: int = 0) -> None:
    """Write embeddings.npy (n, d), around 50 centres of equal spread, and probabilities.npy (n, 10), linear in them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CLUSTERS, d), dtype=np.float32)
    weights = rng.standard_normal((d, CLASSES), dtype=np.float32) / np.float32(np.sqrt(d))
    X = np.lib.format.open_memmap(folder / "embeddings.npy", "w+", np.float32, (n, d))
    P = np.empty((n, CLASSES), np.float32)
    targets = rng.integers(0, CLUSTERS, n)
    for start in range(0, n, BLOCK):
        mine = targets[start : start + BLOCK]
        X[start : start + BLOCK] = centres[mine] + rng.standard_normal((len(mine), d), dtype=np.float32)
        scores = 2 * X[start : start + BLOCK] @ weights
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        P[start : start + BLOCK] = exponentials / exponentials.sum(axis=1, keepdims=True)
    X.flush()
    np.save(folder / "probabilities.npy", P)
    np.save(folder / "targets.npy", targets % CLASSES)


def read_mixture(folder: Path, labelled: bool) -> Candidates:
    """The pool, with its embeddings as a memory map; with LABELLED labels, or with none."""
    X = np.load(folder / "embeddings.npy", mmap_mode="r")
    n = len(X)
    known = np.zeros(n, bool)
    known[:: max(n // LABELLED, 2)] = labelled
    targets = np.where(known, np.load(folder / "targets.npy"), -1)
    draws = np.random.default_rng(1).random(n)
    P = np.load(folder / "probabilities.npy")
    P[known] = np.nan
    return Candidates(X, P, known, np.ones(n, np.float32), targets, draws)
