"""Methods of consensus about classes: a probability of each class for each image.

    majority       share of the votes
    dawid_skene    votes weighted by the confusions of people: `dawid_skene.py`
    combined       the same, with the beliefs of a probe and of neighbours that did not see the image's votes
    crowdlab       cleanlab's, with the same beliefs (H. Goh, U. Tkachenko, J. Mueller: CROWDLAB, 2022)

`combined` is the default for images of train and val. A model must not decide the labels of test, by which models are
measured: there votes alone count, by `dawid_skene`. Errors on labels of people: benchmarks/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.agreement import dawid_skene
from assay.agreement.votes import Ints, Votes
from assay.labels.beliefs import Vectors
from assay.labels.noise_model import logs_of
from assay.metrics.estimates import Estimate, estimate, undefined

Floats = NDArray[np.float64]
Method = Literal["majority", "dawid_skene", "combined", "crowdlab"]

LEAST_SURE: dict[Method, float] = {"majority": 0.501, "dawid_skene": 0.8, "combined": 0.8, "crowdlab": 0.5}
"""Least posterior, or score, of a consensus that is no dispute. At 0.8, `combined` keeps 90 % of the images of
CIFAR-10N, 3.2 % of them wrong; the limit was chosen on these images."""


@dataclass(frozen=True)
class Consensus:
    """Consensus about n images."""

    method: Method
    posterior: Floats
    """(n, k) probability of each class; for `majority` and `crowdlab` a score."""
    fit: dawid_skene.Fit
    """Reliability of the people, under `combined` with the beliefs."""

    @property
    def classes(self) -> Ints:
        """(n,) the likeliest class."""
        found: Ints = self.posterior.argmax(1).astype(np.int64)
        return found

    @property
    def sure(self) -> Floats:
        """(n,) its probability."""
        found: Floats = self.posterior.max(1)
        return found


def consensus(votes: Votes, method: Method, beliefs: Floats | None = None) -> Consensus:
    """`beliefs` (n, k), for `combined` and `crowdlab`: of a model that did not see the votes about the image."""
    if method == "majority":
        return Consensus(method, votes.counts / votes.many[:, None], dawid_skene.fit(votes))
    if method == "dawid_skene":
        fitted = dawid_skene.fit(votes)
        return Consensus(method, fitted.posterior, fitted)
    assert beliefs is not None
    fitted = dawid_skene.fit(votes, logs_of(beliefs))
    posterior = fitted.posterior if method == "combined" else crowdlab(votes, beliefs)
    return Consensus(method, posterior, fitted)


def crowdlab(votes: Votes, beliefs: Floats) -> Floats:
    """(n, k) CROWDLAB: its score for its class, the rest spread evenly over the others."""
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator

    table = pd.DataFrame(votes.matrix()).astype("Float64").where(lambda held: held >= 0).astype("float64")
    even = beliefs / beliefs.sum(1, keepdims=True)
    said: Any = get_label_quality_multiannotator(table, even, verbose=False)["label_quality"]
    classes, score = said["consensus_label"].to_numpy(int), said["consensus_quality_score"].to_numpy(float)
    others = (1 - score) / max(1, len(votes.classes) - 1)
    posterior: Floats = np.repeat(others[:, None], len(votes.classes), 1)
    posterior[np.arange(len(classes)), classes] = score
    return posterior


def beliefs_of(votes: Votes, vectors: Vectors, groups: Ints, seed: int) -> Floats | None:
    """(n, k) out-of-fold beliefs of the label audit, taught by the consensus of the votes alone.

    None if that has one class only, so that there is nothing to teach. `vectors` (n, d): embeddings of the images;
    `groups` (n,): images of a group are in one fold.
    """
    from assay.labels.judge import judge

    taught = dawid_skene.fit(votes).posterior.argmax(1).astype(np.int64)
    if len(np.unique(taught)) < 2:
        return None
    return judge(vectors, taught, groups, len(votes.classes), seed).beliefs


def reliability(votes: Votes, found: Consensus, seed: int) -> list[Estimate]:
    """Accuracy of each person, undefined if nothing tells people apart; n: their votes.

    The interval is not only that of sampling: `dawid_skene.accuracies`.
    """
    counts = np.bincount(votes.persons, minlength=len(votes.people))
    if found.fit.alike:
        return [undefined() | {"n": int(n)} for n in counts]
    rows = zip(found.fit.accuracy, *dawid_skene.accuracies(votes, found.fit, seed), counts, strict=True)
    return [estimate(float(v), float(a), float(b), int(n)) for v, a, b, n in rows]


def joined(some: NDArray[np.bool_], part: Consensus, whole: Consensus) -> Consensus:
    """`part` for the images `some` (n,), and `whole` for the others."""
    posterior = whole.posterior.copy()
    posterior[some] = part.posterior
    return replace(part, posterior=posterior)
