"""What the labels of a pool teach a linear probe: for the strategies that bring a model of their own.

A probe of seconds that sees every label there is stands in for the champion, which was trained before the last round.
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
"""Of the regularisation (scikit-learn's C, less is stronger), divided by the dimensions: the squared length of a
standardised vector is their number. Measured on Fashion-MNIST with 128, 256 and 1,280 dimensions and 30 to 4,000
labels."""
BLOCK = 8192
"""Rows that are standardised at once: bounds the copy made of a memory-mapped file."""
FOLDS = 3
ENOUGH = 1000
"""Labels that are held out at most."""
TEMPERATURES = np.geomspace(1, 32, 31)
"""From 1 on: with few labels a strongly regularised probe looks too modest, and sharpened it chases the odd images."""
FLOOR = 1e-3
"""Least probability in the loss: a class that a fold has not seen shall not decide alone."""


def taught(pool: Candidates) -> Ints:
    """The labelled rows whose class is known; none at all if it is not known of any two that differ."""
    if pool.targets is None:
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(pool.labelled & (pool.targets >= 0))
    return rows if len(np.unique(pool.targets[rows])) > 1 else rows[:0]


def fitted(pool: Candidates) -> LinearProbe | None:
    """A probe on all labels; None while fewer than two classes have any."""
    rows = taught(pool)
    if pool.targets is None or not len(rows):
        return None
    return fit(pool.embeddings[rows], pool.targets[rows], classes(pool))


def fit(X: Floats, given: Ints, classes: int) -> LinearProbe:
    """From (n, d) and their classes (n,), n ≥ 1."""
    return linear_probe.fit(X, given, classes, STRENGTH / max(X.shape[1], 1))


def classes(pool: Candidates) -> int:
    """Classes there are, as far as labels and probabilities tell."""
    named = 0 if pool.targets is None else int(pool.targets.max(initial=-1)) + 1
    return max(named, 0 if pool.probabilities is None else pool.probabilities.shape[1])


def logits(probe: LinearProbe, X: Floats, rows: Ints) -> NDArray[np.float32]:
    """(len(rows), classes); −∞ for classes without a label."""
    out = np.empty((len(rows), len(probe.bias)), np.float32)
    for start, Z in standardised(probe, X, rows):
        out[start : start + len(Z)] = Z @ probe.weights + probe.bias
    return out


def standardised(probe: LinearProbe, X: Floats, rows: Ints) -> Iterator[tuple[int, Floats]]:
    """Blocks of `X[rows]` as the probe sees them, each with where it begins."""
    for start in range(0, len(rows), BLOCK):
        yield start, probe.standardised(X[rows[start : start + BLOCK]])


def temperature(pool: Candidates) -> float:
    """By which the logits are to be divided: the one with the least log loss on labels held out in turn.

    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On Calibration of Modern Neural Networks. ICML 2017, section 4.2.
    Where nothing can be held out: infinite, as nothing is known about what the probe knows.
    """
    examined = examine(pool)
    if examined is None:
        return float("inf")
    held, given = examined
    losses = [_loss(held / t, given) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def examine(pool: Candidates) -> tuple[Floats, Ints] | None:
    """(m, classes) logits of labels held out in turn and (m,) their classes, m ≤ ENOUGH; None below 2 a fold."""
    rows = taught(pool)
    if pool.targets is None or len(rows) < 2 * FOLDS:
        return None
    rows = rows[np.argsort(pool.embeddings[rows, 0], kind="stable")]
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), ENOUGH)).astype(np.int64)]
    given = pool.targets[rows]
    return held_out(pool.embeddings[rows], given, classes(pool)), given


def held_out(X: Floats, given: Ints, classes: int) -> Floats:
    """(n, classes) logits of probes that have not seen the row.

    Every FOLDS-th row of a class, by the first dimension, is held out together: whatever the order of the rows.
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
