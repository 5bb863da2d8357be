"""Label audit with planted noise: ranking, calibration and gain of cleaning, compared with cleanlab.

The audit does not see the true labels. cleanlab's three scores get the same out-of-fold probabilities of the probe, and
the best of them counts; a second time they get our mean of probe and neighbours, which shows the gain of the
neighbours; its filters get the mean too. Gain of cleaning: accuracy of a linear probe on the clean test set, fitted to
the given labels, without the suspects, with their suggestions, with the suspects corrected, and to the true labels.
Labels without planted noise: `real_labels.py`.

Noise: uniform; by class (cleanlab's generator, with zeros in the matrix); by image (X. Xia et al.:
Part-dependent label noise, NeurIPS 2020, algorithm 2, on the pixels).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from cleanlab.benchmarking.noise_generation import generate_noise_matrix_from_trace
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.stats import truncnorm
from sklearn.metrics import average_precision_score

from assay.checks.outliers import LIMITS
from assay.data.suspects import FOREIGN, combined
from assay.labels.beliefs import STRENGTH, principal, rotated
from assay.labels.judge import JudgedLabels, judge
from assay.labels.outliers import scores
from assay.training import linear_probe
from benchmarks import foreign, real_labels
from benchmarks.encoded import HOME, Data, data_of, vectors_of
from benchmarks.figures import Figure
from benchmarks.subjects import Measured, Setting

ENCODERS = ("efficientnet_lite0", "pixels")
CLASSES = 10
SCORES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
FILTERS = ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "low_self_confidence")
ZEROS = 0.6
"""Share of the transitions between two classes with probability 0, in noise by class."""
BINS = 15
CLEANED = (0.0, 0.02, 0.05, 0.09, 0.2, 0.4)
MOST = 20_000
"""Largest number of images whose labels are audited and cleaned."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Row = dict[str, Any]
Flip = Callable[[Data, Ints, np.random.Generator], Ints]


def measure(setting: Setting) -> Measured:
    data, what = data_of(setting)
    most = setting.images(min(MOST, len(data.pool)))
    home = setting.folder if setting.quick else HOME
    encoders = ENCODERS[1:] if setting.quick else ENCODERS
    rows = [row for encoder in encoders for row in _rows(data, encoder, home, most)]
    cleaned = _cleaned(data, encoders[0], home, most)
    real = [] if setting.quick else real_labels.rows(encoders, home)
    strange = foreign.rows(data, encoders, home, setting.images(foreign.MOST))
    figures = [figure for encoder in encoders for figure in _figures(rows, encoder)]
    about = {"images": what, "audited_images": most, "audited": rows, "cleaned": cleaned}
    about |= {"real": real, "foreign": strange}
    return figures + real_labels.figures(real) + foreign.figures(strange), about


# --- planted noise


def alike(share: float) -> Flip:
    def flip(data: Data, right: Ints, rng: np.random.Generator) -> Ints:
        moved = (right + rng.integers(1, CLASSES, len(right))) % CLASSES
        return np.where(rng.random(len(right)) < share, moved, right)

    return flip


def by_class(data: Data, right: Ints, rng: np.random.Generator, share: float = 0.2) -> Ints:
    shares = np.bincount(right, minlength=CLASSES) / len(right)
    matrix = generate_noise_matrix_from_trace(
        CLASSES, CLASSES * (1 - share), py=shares, frac_zero_noise_rates=ZEROS, seed=0
    )
    return _drawn(matrix.T[right], rng)


def by_image(data: Data, right: Ints, rng: np.random.Generator, share: float = 0.2) -> Ints:
    """Each class has random directions in the space of pixels; the projection of an image gives the transitions."""
    pixels = data.pool[: len(right)].reshape(len(right), -1).astype(np.float32)
    pixels = (pixels - pixels.mean(0)) / (pixels.std() + 1e-9)
    away = (0 - share) / 0.1, (1 - share) / 0.1
    flipped = truncnorm.rvs(*away, loc=share, scale=0.1, size=len(right), random_state=rng)
    directions = rng.standard_normal((CLASSES, pixels.shape[1], CLASSES)).astype(np.float32)
    along = np.empty((len(right), CLASSES))
    for k in range(CLASSES):
        along[right == k] = pixels[right == k] @ directions[k]
    rows = np.arange(len(right))
    along[rows, right] = -np.inf
    chances = np.exp(along - along.max(1, keepdims=True))
    chances *= flipped[:, None] / chances.sum(1, keepdims=True)
    chances[rows, right] = 1 - flipped
    return _drawn(chances, rng)


def _drawn(chances: NDArray[np.float64], rng: np.random.Generator) -> Ints:
    found: Ints = (chances.cumsum(1) > rng.random(len(chances))[:, None]).argmax(1).astype(np.int64)
    return found


NOISE: dict[str, Flip] = {
    "none": alike(0.0),
    "alike, 5 %": alike(0.05),
    "alike, 10 %": alike(0.1),
    "alike, 40 %": alike(0.4),
    "by class, 20 %": by_class,
    "by image, 20 %": by_image,
}


# --- rankings


@dataclass(frozen=True)
class Ranking:
    """Quality of a ranking of the wrong labels by a score."""

    average_precision: float
    precision: float
    """Precision of the first n, n being the number of wrong labels."""

    @classmethod
    def of(cls, score: NDArray[np.floating], wrong: Bools) -> Ranking:
        first = np.argsort(-score, kind="stable")[: wrong.sum()]
        return cls(float(average_precision_score(wrong, score)), float(wrong[first].mean()))


def _rows(data: Data, encoder: str, home: Path, most: int) -> list[Row]:
    vectors, right = np.array(vectors_of(data.pool[:most], encoder, home)), data.pool_targets[:most]
    rows = []
    for name, flip in NOISE.items():
        given = flip(data, right, np.random.default_rng(0))
        began = process_time()
        said = judge(vectors, given, np.arange(len(given)), CLASSES, 0)
        seconds = process_time() - began
        rows.append(_row(name, encoder, said, given != right) | {"cpu_seconds": seconds})
        print(f"  {encoder}, {name}: {seconds:.0f} CPU s", flush=True)
    return rows


def _row(noise: str, encoder: str, said: JudgedLabels, wrong: Bools) -> Row:
    row: Row = {
        "encoder": encoder,
        "noise": noise,
        "wrong": float(wrong.mean()),
        "estimated": said.rate,
        "ece": calibration_error(said.wrong, wrong),
        "flagged": int((said.wrong >= 0.5).sum()),
        "excluded": float((scores(said.distance, LIMITS["outlier"]) > FOREIGN).mean()),
    }
    if not wrong.any():
        return row
    mean = (said.probe + said.vote) / 2
    ours = Ranking.of(said.wrong, wrong)
    both = combined(said.wrong, scores(said.distance, LIMITS["outlier"]))
    alone, helped = (
        {
            name: Ranking.of(-get_label_quality_scores(said.given, beliefs, method=name), wrong)
            for name in SCORES
        }
        for beliefs in (said.probe, mean)
    )
    filters = {
        name: f1(find_label_issues(said.given, mean, filter_by=name, n_jobs=1), wrong) for name in FILTERS
    }
    return row | {
        **_beside("average_precision", ours, alone, helped),
        **_beside("precision", ours, alone, helped),
        "average_precision_combined": Ranking.of(both, wrong).average_precision,
        "f1": f1(said.wrong >= 0.5, wrong),
        "f1_theirs": max(filters.values()),
        "filters": filters,
    }


def _beside(part: str, ours: Ranking, alone: dict[str, Ranking], helped: dict[str, Ranking]) -> Row:
    """Ours, the best of cleanlab's scores on the probabilities of the probe, and the best on our mean."""
    of = {name: [getattr(held[name], part) for held in (alone, helped)] for name in SCORES}
    return {
        part: getattr(ours, part),
        f"{part}_theirs": max(values[0] for values in of.values()),
        f"{part}_helped": max(values[1] for values in of.values()),
        f"{part}_by_score": of,
    }


def calibration_error(probability: NDArray[np.float64], happened: Bools, bins: int = BINS) -> float:
    """Expected calibration error: mean of |probability − frequency| over `bins` of equal width."""
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, probability - happened, minlength=bins)
    return float(np.abs(gaps).sum() / len(happened))


def f1(flagged: Bools, wrong: Bools) -> float:
    return float(2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum()))


def _figures(rows: list[Row], encoder: str) -> list[Figure]:
    mine = [row for row in rows if row["encoder"] == encoder]
    noisy = [row for row in mine if "average_precision" in row]

    def ahead(name: str, key: str) -> Figure:
        margins = {row["noise"]: row[key] - row[f"{key}_theirs"] for row in noisy}
        return Figure(
            f"{name} beyond cleanlab's best score, least ({encoder})",
            min(margins.values()),
            "at least",
            0,
            "",
            margins,
        )

    errors = {row["noise"]: row["ece"] for row in mine}
    return [
        ahead("average precision", "average_precision"),
        ahead("precision at the true count", "precision"),
        Figure(f"calibration error, largest ({encoder})", max(errors.values()), "at most", 0.05, "", errors),
    ]


# --- gain of cleaning


def _cleaned(data: Data, encoder: str, home: Path, most: int) -> list[Row]:
    """Points of accuracy gained over fitting to the given labels."""
    vectors, right = np.array(vectors_of(data.pool[:most], encoder, home)), data.pool_targets[:most]
    both = np.concatenate([vectors, vectors_of(data.test, encoder, home)])
    seen = rotated(principal(both, np.arange(len(right))), 0)

    def told(labels: Ints, kept: Bools) -> NDArray[np.float64]:
        """(test,) 100 where the model is correct, else 0."""
        probe = linear_probe.fit(seen[: len(right)][kept], labels[kept], CLASSES, STRENGTH)
        said = probe.probabilities(seen[len(right) :]).argmax(1)
        return np.where(said == data.test_targets, 100.0, 0.0)

    rows = []
    for share in CLEANED:
        given = alike(share)(data, right, np.random.default_rng(1))
        said = judge(vectors, given, np.arange(len(right)), CLASSES, 0)
        all_, suspect, sure = np.ones(len(right), bool), said.wrong >= 0.5, said.wrong >= 0.9
        before = told(given, all_)
        after = {
            "dropped": told(given, ~suspect),
            "suggested": told(np.where(sure, said.suggested, given), all_),
            "reviewed": told(np.where(suspect, right, given), all_),
            "all_right": told(right, all_),
        }
        gains = {name: _gain(now - before) for name, now in after.items()}
        rows.append({"share": share, "estimated": said.rate, "as_they_are": float(before.mean()), **gains})
        print(f"  cleaned: {rows[-1]}", flush=True)
    return rows


def _gain(differences: NDArray[np.float64]) -> list[float]:
    """Points, and the half-width of their paired 95 % interval over test images."""
    return [float(differences.mean()), 1.96 * float(differences.std()) / len(differences) ** 0.5]
