"""Simulated people who judge real photographs, and err together on those that are hard.

A weak model, a logistic regression on 12 × 12 pixels, says which photographs are hard and what they look like. An error
of a person is common with probability `shared`: where and to what the weak model errs, sharpened by `sharp`, for all
people alike. Otherwise it falls on any image, with the confusions of the weak model between classes. Each setting draws
the photographs' set, classes, number of people, their accuracies, the share of the images that all of them judge.

The constants of `dawid_skene`, and `combined` as the default, were chosen on the settings 0 to 59; those reported are
others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.agreement import dawid_skene
from assay.agreement.consensus import Consensus, beliefs_of, consensus, reliability
from assay.agreement.votes import Votes
from assay.labels.noise_model import logs_of
from benchmarks.encoded import HOME, vectors_of
from benchmarks.real_labels import CLEAN, Real

ENCODER = "efficientnet_lite0"
FIRST = 1000
"""First of the reported settings."""
CLASSES, OVERLAPS, SHARED, SHARP = (2, 3, 5, 10), (0.1, 0.3, 1.0), (0.0, 0.5, 1.0), (1.0, 2.0, 4.0)
FEWEST, MOST_WRONG = 60, 0.95
"""Fewest images of a setting; highest error rate of a person on one image."""
DRAWS = 2000
METHODS = "majority", "dawid_skene", "crowdlab", "combined, independent", "combined"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Row = dict[str, Any]


@dataclass(frozen=True)
class Photos:
    """A set of photographs."""

    vectors: NDArray[np.float32]
    right: Ints
    looks: Floats
    """(n, k) out-of-fold probabilities of the weak model."""


def photos(real: Real) -> Photos:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    side = real.images.shape[1] // 12
    small = real.images.reshape(len(real.images), 12, side, 12, side, 3).mean((2, 4))
    flat, right = small.reshape(len(small), -1) / 255 - 0.5, real.labels[CLEAN]
    model = LogisticRegression(C=0.05, max_iter=300)
    looks = cross_val_predict(model, flat, right, cv=5, method="predict_proba")
    return Photos(np.array(vectors_of(real.images, ENCODER, HOME)), right, looks)


@dataclass(frozen=True)
class Judged:
    """The labels of the people of one setting."""

    shared: float
    votes: Votes
    vectors: NDArray[np.float32]
    right: Ints
    accuracy: Floats
    """(p,) probability to be right, mean over the images."""


def judged(sets: list[Photos], seed: int) -> Judged:
    from benchmarks.agreement import votes_of

    rng = np.random.default_rng(seed)
    of = sets[seed % len(sets)]
    classes = rng.permutation(of.looks.shape[1])[: int(rng.choice(CLASSES))]
    some = rng.permutation(np.flatnonzero(np.isin(of.right, classes)))
    some = np.sort(some[: max(FEWEST, int(rng.choice(OVERLAPS) * len(some)))])
    right = np.searchsorted(np.sort(classes), of.right[some])
    looks = of.looks[some][:, np.sort(classes)] ** float(rng.choice(SHARP))
    people = int(rng.integers(2, 6))
    accuracy = np.clip(rng.uniform(0.65, 0.95) + rng.uniform(-0.12, 0.12, people), 0.55, 0.98)
    shared = float(rng.choice(SHARED))
    said = [
        labels_of(looks / looks.sum(1, keepdims=True), right, float(one), shared, rng) for one in accuracy
    ]
    table, truth = np.stack([labels for labels, _ in said], 1), np.array([rate for _, rate in said])
    return Judged(shared, votes_of(table, len(classes)), of.vectors[some], right, truth)


def labels_of(
    looks: Floats, right: Ints, accuracy: float, shared: float, rng: np.random.Generator
) -> tuple[Ints, float]:
    """(labels (n,), probability to be right) of one person."""
    n, classes = looks.shape
    rows = np.arange(n)
    hard: Floats = 1 - looks[rows, right]
    seen = looks.copy()
    seen[rows, right] = 1e-9
    seen /= seen.sum(1, keepdims=True)
    usual = np.stack([seen[right == k].mean(0) for k in range(classes)])[right]
    rates = _rates(hard**2, 1 - accuracy)
    common = np.less(rng.random(n), shared)
    errs = rng.random(n) < np.where(common, rates, 1 - accuracy)
    other: Floats = np.where(common[:, None], seen, usual).cumsum(1)
    given = (other > rng.random((n, 1)) * other[:, -1:]).argmax(1)
    expected = shared * rates.mean() + (1 - shared) * (1 - accuracy)
    return np.where(errs, given, right), float(1 - expected)


def _rates(hard: Floats, mean: float) -> Floats:
    """Error rates (n,) proportional to `hard` (n,), at most MOST_WRONG, with this mean (or as near as they come)."""
    factors = np.geomspace(1e-3, 1e3, 400)
    means = np.minimum(MOST_WRONG, factors[:, None] * hard).mean(1)
    found: Floats = np.minimum(MOST_WRONG, factors[int(np.abs(means - mean).argmin())] * hard)
    return found


def measured(sets: list[Photos], settings: int) -> list[Row]:
    """A row for each kind of errors."""
    made = [one for seed in range(FIRST, FIRST + settings) if (one := _setting(judged(sets, seed)))]
    rows = [_row(shared, [one for one in made if one["shared"] == shared]) for shared in SHARED]
    for row in rows:
        print(f"  {row}", flush=True)
    return rows


def _setting(one: Judged) -> Row | None:
    """Errors and posteriors of each method; None where the probe cannot be fitted."""
    if len(np.unique(one.votes.labels)) < len(one.votes.classes):
        return None
    beliefs = beliefs_of(one.votes, one.vectors, np.arange(len(one.right)), 0)
    if beliefs is None:
        return None
    found = {name: by(name, one.votes, beliefs) for name in METHODS}
    row: Row = {"shared": one.shared}
    for name, said in found.items():
        row[name] = (said.sure, said.classes == one.right)
    for name in ("combined, independent", "combined"):
        rows = reliability(one.votes, found[name], 0)
        row[f"{name}, people"] = [
            (float(r["low"] or 0) <= a <= float(r["high"] or 0), float(r["high"] or 0) - float(r["low"] or 0))
            for r, a in zip(rows, one.accuracy, strict=True)
        ]
    return row


def by(name: str, votes: Votes, beliefs: Floats) -> Consensus:
    """The consensus of one of METHODS; "combined, independent" is that of errors that are independent, λ = 0."""
    if name != "combined, independent":
        return consensus(votes, name, beliefs)  # type: ignore[arg-type]
    fitted = dawid_skene.fit(votes, logs_of(beliefs), common=(0.0,))
    return Consensus("combined", fitted.posterior, fitted)


def _row(shared: float, made: list[Row]) -> Row:
    from benchmarks.agreement import calibration_error

    row: Row = {
        "shared": shared,
        "settings": len(made),
        "images": sum(len(one["combined"][1]) for one in made),
    }
    wrong = {name: np.array([1 - one[name][1].mean() for one in made]) for name in METHODS}
    draws = np.random.default_rng(0).integers(0, len(made), (DRAWS, len(made)))
    for name in METHODS:
        sure, right = (np.concatenate([one[name][i] for one in made]) for i in (0, 1))
        ahead = wrong["combined"] - wrong[name]
        row[name] = {
            "wrong": float(wrong[name].mean()),
            "combined_less": float(ahead.mean()),
            "interval": np.percentile(ahead[draws].mean(1), [2.5, 97.5]).tolist(),
            "ece": calibration_error(sure, right),
            "posterior_too_high": float(sure.mean() - right.mean()),
        }
    for name in ("combined, independent", "combined"):
        people = [one for some in made for one in some[f"{name}, people"]]
        row[name] |= {
            "people": len(people),
            "coverage": float(np.mean([held for held, _ in people])),
            "width": float(np.mean([width for _, width in people])),
        }
    return row


def sets_in(folder: Path) -> list[Photos]:
    from benchmarks.real_labels import FOLDERS, sets

    return [photos(real) for real in sets(folder) if real.name in FOLDERS]
