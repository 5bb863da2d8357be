"""A linear probe on all labels of the pool, for strategies that fit a model of their own.

It is fitted in seconds and to every label, while the champion was trained before the last round of labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assay.strategies import Candidates
from assay.training import linear_probe
from assay.training.linear_probe import LinearProbe, softmax

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

STRENGTH = 12.8
"""C = STRENGTH / d of scikit-learn (inverse of the regularisation); the expected squared length of a standardised
vector is d. Chosen on Fashion-MNIST with d = 128, 256 and 1,280 and 30 to 4,000 labels."""
BLOCK = 8192
"""Rows standardised at once: limits the memory for a memory-mapped file."""
FOLDS = 3
ENOUGH = 1000
"""Most labels that are held out."""
TEMPERATURES = np.geomspace(1, 32, 31)
"""Grid of the temperature. From 1 on: with few labels a regularised probe is underconfident, but sharpening it would
favour atypical images."""
FLOOR = 1e-3
"""Least probability in the loss, so that a class missing from a training fold does not decide it."""


def taught(pool: Candidates) -> Ints:
    """The labelled rows with a known class; empty with fewer than two classes."""
    if pool.targets is None:
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(pool.labelled & (pool.targets >= 0))
    return rows if len(np.unique(pool.targets[rows])) > 1 else rows[:0]


def fitted(pool: Candidates) -> LinearProbe | None:
    """A probe on all labels; None with fewer than two classes."""
    rows = taught(pool)
    if pool.targets is None or not len(rows):
        return None
    return fit(pool.embeddings[rows], pool.targets[rows], classes(pool))


def fit(X: Floats, given: Ints, classes: int) -> LinearProbe:
    """A probe on X (n, d) and the classes `given` (n,), n ≥ 1."""
    return linear_probe.fit(X, given, classes, STRENGTH / max(X.shape[1], 1))


def classes(pool: Candidates) -> int:
    """Number of classes by labels and probabilities."""
    named = 0 if pool.targets is None else int(pool.targets.max(initial=-1)) + 1
    return max(named, 0 if pool.probabilities is None else pool.probabilities.shape[1])


def logits(probe: LinearProbe, X: Floats, rows: Ints) -> NDArray[np.float32]:
    """(len(rows), classes); −∞ for classes without a label."""
    out = np.empty((len(rows), len(probe.bias)), np.float32)
    for start, Z in standardised(probe, X, rows):
        out[start : start + len(Z)] = Z @ probe.weights + probe.bias
    return out


def standardised(probe: LinearProbe, X: Floats, rows: Ints) -> Iterator[tuple[int, Floats]]:
    """Blocks of `X[rows]`, standardised as for the probe, each with its start."""
    for start in range(0, len(rows), BLOCK):
        yield start, probe.standardised(X[rows[start : start + BLOCK]])


def temperature(pool: Candidates) -> float:
    """Divisor of the logits with the least cross-validated log loss (temperature scaling).

    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On Calibration of Modern Neural Networks. ICML 2017, section 4.2.
    ∞, uniform probabilities, if there are too few labels to hold out.
    """
    examined = examine(pool)
    if examined is None:
        return float("inf")
    held, given = examined
    losses = [_loss(held / t, given) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def examine(pool: Candidates) -> tuple[Floats, Ints] | None:
    """Out-of-fold logits (m, classes) and classes (m,), m ≤ ENOUGH; None with fewer than 2 labels a fold."""
    rows = taught(pool)
    if pool.targets is None or len(rows) < 2 * FOLDS:
        return None
    rows = rows[np.argsort(pool.embeddings[rows, 0], kind="stable")]
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), ENOUGH)).astype(np.int64)]
    given = pool.targets[rows]
    return held_out(pool.embeddings[rows], given, classes(pool)), given


def held_out(X: Floats, given: Ints, classes: int) -> Floats:
    """(n, classes) out-of-fold logits.

    Folds are dealt out within each class in the order of the first dimension: they do not depend on the row order.
    """
    place = np.empty(len(given), np.int64)
    place[np.lexsort((X[:, 0], given))] = np.arange(len(given))
    out = np.empty((len(given), classes), np.float32)
    for fold in range(FOLDS):
        held = place % FOLDS == fold
        probe = fit(X[~held], given[~held], classes)
        out[held] = probe.standardised(X[held]) @ probe.weights + probe.bias
    return out


def _loss(logits: Floats, given: Ints) -> float:
    chances = softmax(logits)[np.arange(len(given)), given]
    return float(-np.log(np.maximum(chances, FLOOR)).mean())
