"""Agreement about classes: Krippendorff's alpha, and Cohen's kappa of two people.

    alpha = 1 − D_o / D_e       K. Krippendorff: Computing Krippendorff's alpha-reliability, 2011 (nominal data)
    kappa = (p_o − p_e) / (1 − p_e)       J. Cohen: A coefficient of agreement for nominal scales, 1960

1: all agree; 0: as by chance; undefined where only one class was ever given. Alpha takes any number of votes per image
and leaves out images with fewer than two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.agreement.resampled import resampled
from assay.agreement.votes import Votes
from assay.metrics.estimates import Estimate, Floats, ratio

LEAST = 2
"""Fewest common images of a pair of people that is listed."""


def alpha(votes: Votes) -> Estimate:
    """Krippendorff's alpha of all classes; n: images with two votes and more."""
    counts = votes.counts[votes.many >= 2]
    return alpha_of(counts)


def alpha_of(counts: Any) -> Estimate:
    """Alpha from the votes (n, k) of units for each class; units with fewer than two are left out."""
    counts = np.asarray(counts, np.float64)
    counts = counts[counts.sum(1) >= 2]
    if not len(counts):
        return {"value": None, "low": None, "high": None, "n": 0}
    parts = np.column_stack([disagreement(counts), counts])
    return resampled(parts, lambda sums: alpha_from(sums)[:, None], np.array([len(counts)]))[0]


def disagreement(counts: Floats) -> Floats:
    """(n,) ordered pairs of different votes about a unit, over its number of votes − 1; `counts` (n, k)."""
    many = counts.sum(1)
    return ratio(many**2 - (counts**2).sum(1), many - 1, 0.0)


def alpha_from(sums: Floats) -> Floats:
    """(b,) alpha from sums over units (b, 1 + k): disagreement, and votes for each class."""
    observed, votes = sums[:, 0], sums[:, 1:]
    n = votes.sum(1)
    expected = n**2 - (votes**2).sum(1)
    return 1 - ratio((n - 1) * observed, expected)


def by_class(votes: Votes) -> dict[str, Estimate]:
    """{class: alpha of this class against all others}; n: images where somebody gave it."""
    held = votes.counts[votes.many >= 2]
    many = held.sum(1)
    found = {}
    for number, name in enumerate(votes.classes):
        one = np.column_stack([held[:, number], many - held[:, number]])
        found[name] = alpha_of(one) | {"n": int((one[:, 0] > 0).sum())}
    return found


def pairs(votes: Votes) -> list[dict[str, Any]]:
    """Each two people with LEAST common images: {"people", "kappa", "agree"}, most images first."""
    table, found = votes.matrix(), []
    for a in range(len(votes.people)):
        for b in range(a + 1, len(votes.people)):
            both = (table[:, a] >= 0) & (table[:, b] >= 0)
            if both.sum() >= LEAST:
                kappa, agree = kappa_of(table[both, a], table[both, b], len(votes.classes))
                people = [votes.people[a], votes.people[b]]
                found.append({"people": people, "kappa": kappa, "agree": agree})
    return sorted(found, key=lambda row: -int(row["kappa"]["n"]))


def kappa_of(these: Any, those: Any, classes: int) -> tuple[Estimate, Estimate]:
    """Cohen's kappa, and the share of equal classes, of two people about the same n images: classes (n,), (n,)."""
    eye = np.eye(classes)
    parts = np.column_stack([these == those, eye[these], eye[those]])
    kappa, agree = resampled(parts, _kappa_from, np.array([len(these)] * 2))
    return kappa, agree


def _kappa_from(sums: Floats) -> Floats:
    classes = (sums.shape[1] - 1) // 2
    n = sums[:, 1 : 1 + classes].sum(1)
    observed = sums[:, 0] / n
    by_chance = (sums[:, 1 : 1 + classes] * sums[:, 1 + classes :]).sum(1) / n**2
    return np.column_stack([ratio(observed - by_chance, 1 - by_chance), observed])
