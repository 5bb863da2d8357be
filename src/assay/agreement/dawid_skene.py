"""Right classes of images and confusions of people, from votes (A. Dawid, A. Skene: Maximum likelihood estimation of
observer error-rates using the EM algorithm, 1979).

    p(right = k, votes | x) = q_k(x) Π_votes C_person[k, voted]

q is the share of each class, or with beliefs of a model, that saw the image and not its votes, q ∝ belief^β with β
fitted: Raykar et al., Learning from crowds, JMLR 2010, with the model held fixed. Priors keep few votes from breaking
the fit. B is the confusion of all people together, b its diagonal, a_p the accuracy of a person, and

    C_p[k, k] ~ Beta with mean σ(logit a_p + logit b_k − logit b̄) and ROW pseudo-votes
    a_p       ~ Beta with mean b̄ and PERSON pseudo-votes

so that a person with few votes is taken for an average one, and a class with few votes of a person for as hard to them
as to the others. The errors of a row have a Dirichlet prior with mean B and ERRORS pseudo-votes; B has a prior towards
people who are right with START.

Two people who differ do not show which of them is right: without beliefs it takes images with THREE votes. With fewer,
all people have the confusion B, and their accuracies cannot be told.

Given the right class, votes count as independent. People err together on hard images, so on real labels the posterior
is too sure (measured in benchmarks/README.md), and the votes are counted as more than they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, logit

from assay.agreement.votes import Votes
from assay.labels.noise_model import newton_step, sharpened

Floats = NDArray[np.float64]

THREE = 3
"""Fewest votes of some image that tell people apart without beliefs of a model."""
PERSON, ROW, ERRORS = 2.0, 10.0, 10.0
"""Pseudo-votes of the accuracy of a person, of its classes, and of the distribution of the errors of a class."""
START = 0.7
"""Mean of the prior of the diagonal of B."""
POOLED = 10.0
"""Pseudo-votes of that prior in each row."""
EDGE = 1e-6
"""Accuracies are kept this far from 0 and 1, so that their logit is finite."""
STEPS, CLOSE = 200, 1e-5
"""Most iterations of EM, and the largest change of a probability at which it ends."""
DRAWS, BURN_IN = 400, 100
"""Sweeps of the Gibbs sampler that are used, and those before that are not."""


@dataclass(frozen=True)
class Fit:
    """The maximum a posteriori of the model."""

    posterior: Floats
    """(n, k) probability of each class to be right."""
    confusion: Floats
    """(p, k, k) C[person, right, voted]"""
    base: Floats
    """(k, k) B[right, voted]"""
    logs: Floats | None
    """(n, k) log q with beliefs, β applied; None: the classes have their shares."""
    alike: bool
    """Whether all people have the confusion B, as nothing tells them apart."""

    @property
    def accuracy(self) -> Floats:
        """(p,) how often each person is right on images like all of these: Σ_k share_k C[person, k, k]."""
        shares = self.posterior.mean(0)
        found: Floats = np.diagonal(self.confusion, axis1=1, axis2=2) @ shares
        return found


def fit(votes: Votes, logs: Floats | None = None) -> Fit:
    """EM from the shares of the votes. `logs` (n, k): finite logarithms of beliefs, if a model saw the images."""
    table, (people, classes) = _table(votes), (len(votes.people), len(votes.classes))
    posterior = votes.counts / votes.many[:, None]
    alike = logs is None and int(votes.many.max(initial=0)) < THREE
    exponent = 1.0
    prior: Floats | None = None
    for _ in range(STEPS):
        cast = _cast(table, posterior, people, classes)
        base = _base(cast)
        confusion = np.repeat(base[None], people, 0) if alike else _confusion(cast, base)
        if logs is not None:
            exponent = newton_step(exponent, sharpened(logs, exponent), logs, posterior)
            prior = np.log(np.maximum(sharpened(logs, exponent), 1e-300))
        before, posterior = posterior, _right(table, confusion, _log_prior(prior, posterior))
        if np.abs(posterior - before).max(initial=0.0) < CLOSE:
            break
    return Fit(posterior, confusion, base, prior, alike)


def accuracies(votes: Votes, fitted: Fit, seed: int) -> Floats:
    """(DRAWS, p) draws of the accuracy of each person from the posterior, by Gibbs sampling from the fit on.

    Right classes, confusions and shares are drawn in turn; B stays at its estimate. The quantiles of a column are the
    interval of a person's accuracy, with the uncertainty of the right classes.
    """
    table, (people, classes) = _table(votes), (len(votes.people), len(votes.classes))
    rng, posterior, found = np.random.default_rng(seed), fitted.posterior, []
    eye = np.eye(classes)
    for sweep in range(BURN_IN + DRAWS):
        chosen = (posterior.cumsum(1) > rng.random((len(posterior), 1))).argmax(1)
        right = eye[chosen]
        confusion = _confusion(_cast(table, right, people, classes), fitted.base, rng)
        shares = rng.dirichlet(right.sum(0) + 1)
        prior = np.log(np.maximum(shares, 1e-300))[None] if fitted.logs is None else fitted.logs
        posterior = _right(table, confusion, prior)
        if sweep >= BURN_IN:
            found.append(np.diagonal(confusion, axis1=1, axis2=2) @ shares)
    return np.array(found).reshape(DRAWS, people)


def _table(votes: Votes) -> sparse.csr_matrix:
    """(n, p × k) 1 for each vote, in the column of its person and class."""
    width = len(votes.people) * len(votes.classes)
    columns = votes.persons * len(votes.classes) + votes.labels
    ones = np.ones(len(columns))
    return sparse.csr_matrix((ones, (votes.images, columns)), shape=(len(votes.ids), width))


def _cast(table: sparse.csr_matrix, right: Floats, people: int, classes: int) -> Floats:
    """(p, k, k) votes of each person by right class and voted class; `right` (n, k)."""
    found: Floats = np.asarray(table.T @ right).reshape(people, classes, classes).transpose(0, 2, 1).copy()
    return found


def _base(cast: Floats) -> Floats:
    classes = cast.shape[1]
    prior = np.full((classes, classes), (1 - START) / max(1, classes - 1))
    np.fill_diagonal(prior, START if classes > 1 else 1.0)
    pooled = cast.sum(0) + POOLED * prior
    base: Floats = pooled / pooled.sum(1, keepdims=True)
    return base


def _confusion(cast: Floats, base: Floats, rng: np.random.Generator | None = None) -> Floats:
    """(p, k, k) C given the votes by right class: its mean, or with `rng` a draw. `base`: B."""
    classes = cast.shape[1]
    if classes == 1:
        return np.ones_like(cast)
    each = np.arange(classes)
    right, all_, mean = cast[:, each, each], cast.sum(2), _inside(base.diagonal())
    overall = float(mean @ all_.sum(0) / max(all_.sum(), 1e-9)) if all_.sum() else START
    person = _share(right.sum(1), all_.sum(1), overall, PERSON, rng)
    expected = expit(logit(person)[:, None] + logit(mean) - logit(overall))
    held = _share(right, all_, expected, ROW, rng)
    wrong = cast + ERRORS * base / (1 - mean)[:, None]
    wrong[:, each, each] = 0
    if rng is not None:
        wrong = rng.standard_gamma(wrong)
    wrong *= ((1 - held) / np.maximum(wrong.sum(2), 1e-300))[:, :, None]
    wrong[:, each, each] = held
    return np.maximum(wrong, 1e-300)


def _share(
    right: Floats, of: Floats, expected: Floats | float, strength: float, rng: np.random.Generator | None
) -> Floats:
    """Mean, or draw, of Beta(right + strength × expected, wrong + strength × (1 − expected))."""
    a = right + strength * expected
    b = of - right + strength * (1 - expected)
    return _inside(a / (a + b) if rng is None else rng.beta(a, np.maximum(b, 1e-9)))


def _inside(share: Floats) -> Floats:
    return np.clip(share, EDGE, 1 - EDGE)


def _log_prior(beliefs: Floats | None, posterior: Floats) -> Floats:
    if beliefs is not None:
        return beliefs
    shares = posterior.sum(0) + 1
    found: Floats = np.log(shares / shares.sum())[None]
    return found


def _right(table: sparse.csr_matrix, confusion: Floats, prior: Floats) -> Floats:
    """(n, k) p(right | votes), of log priors (n, k) or (1, k)."""
    people, classes, _ = confusion.shape
    columns = np.log(confusion).transpose(0, 2, 1).reshape(people * classes, classes)
    logs = prior + table @ columns
    chances = np.exp(logs - logs.max(1, keepdims=True))
    right: Floats = chances / chances.sum(1, keepdims=True)
    return right
