"""The label audit on arrays: the probability of each label to be wrong, and the share of wrong labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.labels.beliefs import Chances, Floats, Ints, Vectors, out_of_fold, principal, rotated, teachers
from assay.labels.folds import folds
from assay.labels.neighbours import enough, nearest, votes
from assay.labels.noise_model import EXPONENTS, SHARES, free_kernel, logs_of, surface
from assay.labels.posterior import Posterior, posterior

FOLDS = 5
PARTS = (0.25, 0.5, 0.7, 0.85, 1.0)
"""Grid of the weight of the probe; the neighbours have the rest."""
FITTED = 20_000
"""Most labels that the noise model is fitted to, drawn at random."""
AGAIN, ROUNDS = 200, 2
"""Probe and neighbours are fitted again to the estimated classes once for every AGAIN labels a class, at most ROUNDS
times."""
LOW_NOISE = 0.2
"""Confident learning flags by low self-confidence up to this estimated share of wrong labels, by class above it."""


@dataclass(frozen=True)
class JudgedLabels:
    """Estimates for n labels in k classes."""

    given: Ints
    """(n,)"""
    wrong: Chances
    """(n,) probability that the label is wrong."""
    suggested: Ints
    """(n,) the likeliest class other than the given one."""
    low: float
    high: float
    """95 % interval of the share of wrong labels."""
    flagged: NDArray[np.bool_]
    """(n,) whether confident learning (cleanlab) takes the label for wrong."""
    beliefs: Chances
    """(n, k) mixture of probe and neighbours, fitted to the estimated classes of the other folds."""
    probe: Chances
    """(n, k) out-of-fold probabilities of a probe that was fitted to the given labels."""
    vote: Chances
    """(n, k) shares of the neighbours with each given label."""
    neighbours: int
    """Neighbours of each image."""
    distance: Floats
    """(n,) mean distance to the neighbours; ∞ without any."""
    found: Posterior
    """Posterior of the noise model."""
    model: Chances | None = None
    """(n, k) out-of-fold probabilities of the project's own model, if it was run."""
    by: Literal["estimated", "measured"] = "estimated"
    """measured: people's answers calibrate `wrong` (`measured.py`)."""

    def wrong_if(self, rows: Ints, given: Ints) -> Chances:
        """(m,) the probability to be wrong that labels `given` (m,) of the images `rows` (m,) would have."""
        right = self.found.right(logs_of(self.beliefs[rows]), given)
        wrong: Chances = 1 - right[np.arange(len(rows)), given]
        return wrong

    @property
    def rate(self) -> float:
        """Estimated share of wrong labels."""
        return float(self.wrong.mean())

    @property
    def order(self) -> Ints:
        """(n,) rows by falling probability to be wrong; of equal ones the earlier row first."""
        return np.argsort(-self.wrong, kind="stable")


def judge(
    vectors: Vectors,
    given: Ints,
    groups: Ints,
    classes: int,
    seed: int,
    most: int | None = None,
    model: Chances | None = None,
) -> JudgedLabels:
    """Judge the labels `given` (n,) in 0…classes−1 of images with embeddings `vectors` (n, d) and `groups` (n,).

    At most `most` labels, drawn at random, are fitted to; all are judged. `model` (n, k): out-of-fold probabilities of
    the project's own model, averaged with the probe's. Runs on one thread, so that the same input gives the same bits.
    """
    import faiss  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):  # limits only libraries that are imported already
        fold, taught = folds(given, groups, FOLDS, seed), teachers(given, most or len(given), seed)
        space = principal(vectors, taught)
        near = nearest(space, groups, taught, enough(len(taught), classes))
        probed = rotated(space, seed)

        def ask(right: Chances) -> tuple[Chances, Chances]:
            return out_of_fold(probed, right, fold, taught), votes(near, right)

        probe, vote = ask(np.eye(classes)[given])
        first = beliefs = _pooled(probe, vote, given, seed, model)
        for _ in range(min(ROUNDS, len(given) // (AGAIN * classes))):
            right, _ = explain(beliefs, given, seed)
            beliefs = _pooled(*ask(right), given, seed, model)
        right, found = explain(beliefs, given, seed)
        rows = np.arange(len(given))
        wrong, others = 1 - right[rows, given], right.copy()
        others[rows, given] = -1
        flagged = confident(first, given, float(wrong.mean()))
    share = float(wrong.mean())
    return JudgedLabels(
        given,
        wrong,
        others.argmax(1),
        min(found.low, share),
        max(found.high, share),
        flagged,
        beliefs,
        probe,
        vote,
        near.rows.shape[1],
        near.distance,
        found,
        model,
    )


def explain(beliefs: Chances, given: Ints, seed: int) -> tuple[Chances, Posterior]:
    """(n, k) the probability of each class to be the right one, and the posterior of the noise model."""
    logs, drawn = logs_of(beliefs), teachers(given, FITTED, seed)
    free = free_kernel(logs[drawn], given[drawn], seed)
    found = posterior(surface(logs[drawn], given[drawn], free=free))
    return found.right(logs, given), found


def _pooled(probe: Chances, vote: Chances, given: Ints, seed: int, model: Chances | None = None) -> Chances:
    """(n, k) mixture of probe and neighbours: the weight of PARTS that maximises the likelihood of the labels.

    Both are out of fold. `model` is averaged with the probe first.
    """
    drawn = teachers(given, FITTED, seed)
    if model is not None:
        probe = (probe + model) / 2

    def fits(part: float) -> float:
        logs = logs_of(part * probe[drawn] + (1 - part) * vote[drawn])
        return float(surface(logs, given[drawn], EXPONENTS[1::2], SHARES[::7], (0.0, 1.0)).loglik.max())

    part = max(PARTS, key=fits)
    return part * probe + (1 - part) * vote


def confident(beliefs: Chances, given: Ints, rate: float) -> NDArray[np.bool_]:
    """(n,) the labels that confident learning flags as wrong; the rule depends on the estimated share, `rate`.

    C. Northcutt, L. Jiang, I. Chuang: Confident Learning. JAIR 2021. Implementation: cleanlab.
    """
    from cleanlab.filter import find_label_issues

    rule = "low_self_confidence" if rate <= LOW_NOISE else "prune_by_class"
    found: NDArray[np.bool_] = find_label_issues(given, beliefs, filter_by=rule, n_jobs=1)
    return found
