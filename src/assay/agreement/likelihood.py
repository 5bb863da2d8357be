"""Likelihood of the votes about each image, judged alike or not: the model of `dawid_skene.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import gammaln

from assay.agreement.votes import Votes

Floats = NDArray[np.float64]

SEEN = 0.5
"""ω: weight of the beliefs in the mean of the votes about images that are judged alike."""


@dataclass(frozen=True)
class Likely:
    """Likelihood of the votes about each image."""

    votes: Floats
    """(n, k) its logarithm, for each right class."""
    alone: Floats
    """(n, k) probability that the image is not judged alike."""

    @classmethod
    def of(cls, alone: Floats, together: Floats, common: float) -> Likely:
        alone = np.log1p(-common) + alone
        both = np.logaddexp(alone, np.log(common) + together) if common else alone
        return cls(both, np.exp(alone - both))


@dataclass(frozen=True)
class Cast:
    """Votes as sparse tables."""

    by_person: sparse.csr_matrix
    """(n, p × k) 1 for each vote, in the column of its person and class."""
    of_image: sparse.csr_matrix
    """(n, m) 1 for each vote, in a column of its own."""
    images: NDArray[np.int64]
    """(m,)"""
    labels: NDArray[np.int64]
    """(m,)"""
    equal_before: Floats
    """(m,) earlier votes for the same class about the same image."""
    people: int
    classes: int

    @classmethod
    def of(cls, votes: Votes) -> Cast:
        n, m, people, classes = len(votes.ids), len(votes.images), len(votes.people), len(votes.classes)
        columns = votes.persons * classes + votes.labels
        by_person = sparse.csr_matrix((np.ones(m), (votes.images, columns)), shape=(n, people * classes))
        of_image = sparse.csr_matrix((np.ones(m), (votes.images, np.arange(m))), shape=(n, m))
        equal = _equal_before(votes.images * classes + votes.labels)
        return cls(by_person, of_image, votes.images, votes.labels, equal, people, classes)

    def by_right(self, right: Floats) -> Floats:
        """(p, k, k) votes of each person by right class and voted class; `right` (n, k)."""
        found = np.asarray(self.by_person.T @ right).reshape(self.people, self.classes, self.classes)
        swapped: Floats = found.transpose(0, 2, 1).copy()
        return swapped

    def alone(self, confusion: Floats) -> Floats:
        """(n, k) log Π C[person, k, voted]."""
        columns = np.log(confusion).transpose(0, 2, 1).reshape(self.people * self.classes, self.classes)
        found: Floats = self.by_person @ columns
        return found

    def together(self, base: Floats, prior: Floats | None) -> Floats:
        """(n, k) log DM, vote by vote: a class is as likely as its mean, and its earlier votes, are."""
        mean = base.T[self.labels]
        if prior is not None:
            mean = (1 - SEEN) * mean + SEEN * np.exp(prior[self.images, self.labels])[:, None]
        many = np.asarray(self.of_image.sum(1)).ravel()
        found: Floats = self.of_image @ np.log(mean + self.equal_before[:, None]) - gammaln(1 + many)[:, None]
        return found


def _equal_before(keys: NDArray[np.int64]) -> Floats:
    """(m,) how many equal keys are before each."""
    order = np.argsort(keys, kind="stable")
    _, first, many = np.unique(keys[order], return_index=True, return_counts=True)
    found = np.empty(len(keys))
    found[order] = np.arange(len(keys)) - np.repeat(first, many)
    return found
