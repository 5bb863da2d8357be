"""Arrays in, arrays out: every label with the probability that it is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.label_audit import noise_model
from assay.label_audit.beliefs import (
    Chances,
    Floats,
    Ints,
    Vectors,
    out_of_fold,
    principal,
    rotated,
    teachers,
)
from assay.label_audit.folds import folds
from assay.label_audit.neighbours import enough, nearest, votes

FOLDS = 5
TEACHERS = 20_000
"""Labels that probes and neighbours learn from, at most: more cost time in proportion, and find little more."""
LOW_NOISE = 0.2
"""Estimated share of wrong labels up to which confident learning flags by low self-confidence, beyond it by class."""


@dataclass(frozen=True)
class Judged:
    """What was found about n labels in k classes."""

    given: Ints
    """(n,)"""
    wrong: Chances
    """(n,) probability that the label is wrong."""
    suggested: Ints
    """(n,) the likeliest class other than the given one."""
    flagged: NDArray[np.bool_]
    """(n,) whether confident learning (cleanlab) takes the label for wrong."""
    probe: Chances
    """(n, k) what a probe says that has learnt from the given labels, but not from this one."""
    vote: Chances
    """(n, k) shares of the neighbours with each given label."""
    neighbours: int
    """How many were asked for each."""
    distance: Floats
    """(n,) mean distance to them; ∞ without any."""
    model: Chances | None = None
    """(n, k) what another model says that has not learnt from them, if one was asked."""

    @property
    def rate(self) -> float:
        """Estimated share of wrong labels."""
        return float(self.wrong.mean())

    @property
    def order(self) -> Ints:
        """Rows, the likeliest to be wrong first; ties go to the earlier row."""
        return np.argsort(-self.wrong, kind="stable")


def judge(
    vectors: Vectors,
    given: Ints,
    groups: Ints,
    classes: int,
    seed: int,
    most: int = TEACHERS,
    model: Chances | None = None,
) -> Judged:
    """Judge the labels `given` (n,) in 0…classes−1 of images with embeddings `vectors` (n, d) and `groups` (n,).

    At most `most` labels are learnt from, drawn at random; all are judged. `model` (n, k): probabilities of another
    model that has not learnt from them, averaged with the probe's. Same input, same bits: on one core.
    """
    import faiss  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):  # of the libraries that are loaded by now
        fold, taught = folds(given, groups, FOLDS, seed), teachers(given, most, seed)
        space = principal(vectors, taught)
        probed = rotated(space, seed)
        near = nearest(space, groups, taught, enough(len(taught), classes))
        del space

        def ask(right: Chances) -> tuple[Chances, Chances]:
            return out_of_fold(probed, right, fold, taught), votes(near, right)

        probe, vote = ask(np.eye(classes)[given])
        beliefs = mean_of(probe, vote, model)
        noise = noise_model.fit(beliefs, given)
        second = mean_of(*ask(noise_model.posterior(noise, beliefs, given, 1.0)), model)
        right = _settle(noise.alike * beliefs + (1 - noise.alike) * second, given, noise.alike)
        rows = np.arange(len(given))
        wrong, others = 1 - right[rows, given], right.copy()
        others[rows, given] = -1
        flagged = confident(beliefs, given, float(wrong.mean()))
    return Judged(
        given, wrong, others.argmax(1), flagged, probe, vote, near.rows.shape[1], near.distance, model
    )


def _settle(beliefs: Chances, given: Ints, alike: float) -> Chances:
    return noise_model.posterior(noise_model.fit(beliefs, given, alike), beliefs, given)


def mean_of(probe: Chances, vote: Chances, model: Chances | None = None) -> Chances:
    """Probe (and model, alike) and neighbours count the same."""
    return ((probe if model is None else (probe + model) / 2) + vote) / 2


def confident(beliefs: Chances, given: Ints, rate: float) -> NDArray[np.bool_]:
    """(n,) the labels that confident learning takes for wrong, by the rule that suits the estimated share of them.

    C. Northcutt, L. Jiang, I. Chuang: Confident Learning. JAIR 2021; cleanlab's.
    """
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]

    rule = "low_self_confidence" if rate <= LOW_NOISE else "prune_by_class"
    found: NDArray[np.bool_] = find_label_issues(given, beliefs, filter_by=rule, n_jobs=1)
    return found
