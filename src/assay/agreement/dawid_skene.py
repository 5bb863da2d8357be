"""Right classes of images and confusions of people, from votes (A. Dawid, A. Skene: Maximum likelihood estimation of
observer error-rates using the EM algorithm, 1979), where a share λ of the images is judged alike by all:

    p(right = k, votes | x) = q_k(x) [(1 − λ) Π_votes C_person[k, voted] + λ DM(votes; (1 − ω) B[k] + ω q(x))]

q is the share of each class, or with beliefs of a model, that saw the image and not its votes, q ∝ belief^β with β
fitted: Raykar et al., Learning from crowds, JMLR 2010, with the model held fixed. Priors keep few votes from breaking
the fit. B is the confusion of all people together, b its diagonal, a_p the accuracy of a person, and

    C_p[k, k] ~ Beta with mean σ(logit a_p + logit b_k − logit b̄) and ROW pseudo-votes
    a_p       ~ Beta with mean b̄ and PERSON pseudo-votes

so that a person with few votes is taken for an average one, and a class with few votes of a person for as hard to them
as to the others. The errors of a row have a Dirichlet prior with mean B and ERRORS pseudo-votes; B has a prior towards
people who are right with START.

DM, the Dirichlet-multinomial of concentration 1, draws the votes about an image from a distribution of its own: people
err together, and to the same class, on images that are hard or look like something else. The model may see there what
they see: ω = SEEN, and 0 without beliefs.

Votes hardly tell λ. Models with other dependence fit them as well, and give people another accuracy (P. Albert,
L. Dodd: A cautionary note on the robustness of latent class models for estimating diagnostic error without a gold
standard, Biometrics 2004). The fit is made at each λ of COMMON. The posterior of the right classes is their mean,
weighted by likelihood. The accuracies of people are a plain mean, and their interval reaches from errors that are
independent to those of people who judge 40 % of the images alike.

Two people who differ do not show which of them is right: without beliefs it takes images with THREE votes. With fewer,
all people have the confusion B, the classes have the shares of the votes, and accuracies cannot be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp

from assay.agreement.likelihood import SEEN, Cast, Likely
from assay.agreement.votes import Votes
from assay.labels.noise_model import newton_step, sharpened
from assay.metrics.bootstrap import LEVELS

Floats = NDArray[np.float64]

COMMON = (0.0, 0.1, 0.2, 0.3, 0.4)
"""Values of λ: shares of the images that all people judge alike."""
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
DRAWS, BURN_IN = 300, 50
"""Sweeps of the Gibbs sampler that are used, and those before that are not."""
LEAST = 1e-300
"""Lower bound of a probability whose logarithm is taken."""


@dataclass(frozen=True)
class Part:
    """The maximum a posteriori at one λ."""

    common: float
    """λ"""
    loglik: float
    """Logarithm of the likelihood of the votes."""
    posterior: Floats
    """(n, k) probability of each class to be right."""
    confusion: Floats
    """(p, k, k) C[person, right, voted] on images that are not judged alike."""
    shared: Floats
    """(k, k) [right, voted] mean of the votes on those that are."""
    base: Floats
    """(k, k) B[right, voted]"""
    prior: Floats | None
    """(n, k) log q with beliefs, β applied; None: the classes have their shares."""

    def of_all(self, confusion: Floats) -> Floats:
        """(p, k, k) the confusion on all images, of that on those that are not judged alike."""
        return (1 - self.common) * confusion + self.common * self.shared


@dataclass(frozen=True)
class Fit:
    """The fits at all λ."""

    parts: tuple[Part, ...]
    alike: bool
    """Whether all people have the confusion B, as nothing tells them apart."""

    @property
    def posterior(self) -> Floats:
        """(n, k) probability of each class to be right."""
        logliks = np.array([part.loglik for part in self.parts])
        weights = np.exp(logliks - logsumexp(logliks))
        found: Floats = np.tensordot(weights, np.stack([part.posterior for part in self.parts]), 1)
        return found

    @property
    def confusion(self) -> Floats:
        """(p, k, k) C[person, right, voted] on all images."""
        found: Floats = np.mean([part.of_all(part.confusion) for part in self.parts], axis=0)
        return found

    @property
    def accuracy(self) -> Floats:
        """(p,) how often each person is right on images like all of these: Σ_k share_k C[person, k, k]."""
        shares = self.posterior.mean(0)
        found: Floats = np.diagonal(self.confusion, axis1=1, axis2=2) @ shares
        return found


def fit(votes: Votes, logs: Floats | None = None, common: Sequence[float] = COMMON) -> Fit:
    """The fits at each λ in `common`. `logs` (n, k): finite logarithms of beliefs, if a model saw the
    images.
    """
    cast = Cast.of(votes)
    alike = logs is None and int(votes.many.max(initial=0)) < THREE
    parts = tuple(_part(cast, votes.counts / votes.many[:, None], logs, alike, share) for share in common)
    return Fit(parts, alike)


def _part(cast: Cast, posterior: Floats, logs: Floats | None, alike: bool, common: float) -> Part:
    """EM from the shares of the votes, `posterior` (n, k)."""
    voted, alone, exponent = posterior, np.full_like(posterior, 1 - common), 1.0
    prior: Floats | None = None
    for _ in range(STEPS):
        base = _base(cast.by_right(posterior))
        own = cast.by_right(posterior * alone)
        confusion = np.repeat(base[None], cast.people, 0) if alike else _confusion(own, base)
        if logs is not None:
            exponent = newton_step(exponent, sharpened(logs, exponent), logs, posterior)
            prior = np.log(np.maximum(sharpened(logs, exponent), LEAST))
        shares = (voted if alike else posterior).sum(0) + 1
        likely = Likely.of(cast.alone(confusion), cast.together(base, prior), common)
        joint = (np.log(shares / shares.sum())[None] if prior is None else prior) + likely.votes
        each = logsumexp(joint, axis=1)
        before, posterior, alone = posterior, np.exp(joint - each[:, None]), likely.alone
        if np.abs(posterior - before).max(initial=0.0) < CLOSE:
            break
    shared = base if prior is None else (1 - SEEN) * base + SEEN * _seen(posterior, prior)
    return Part(common, float(each.sum()), posterior, confusion, shared, base, prior)


def _seen(posterior: Floats, prior: Floats) -> Floats:
    """(k, k) mean of q over the images of each right class."""
    found: Floats = posterior.T @ np.exp(prior) / np.maximum(posterior.sum(0), EDGE)[:, None]
    return found


def accuracies(votes: Votes, fitted: Fit, seed: int) -> tuple[Floats, Floats]:
    """(p,), (p,) lowest and highest end, over λ, of the 95 % intervals of the accuracy of each person.

    They are quantiles of draws from the posterior, by Gibbs sampling from the fit on, at the least and the largest λ.
    Which images are judged alike, right classes, confusions and shares are drawn in turn; B stays at its estimate.
    """
    cast, rng = Cast.of(votes), np.random.default_rng(seed)
    ends = np.stack([np.percentile(_drawn(cast, fitted.parts[at], rng), LEVELS, axis=0) for at in (0, -1)])
    return ends[:, 0].min(0), ends[:, 1].max(0)


def _drawn(cast: Cast, part: Part, rng: np.random.Generator) -> Floats:
    """(DRAWS, p) accuracies at one λ."""
    confusion, shares = part.confusion, part.posterior.mean(0)
    together, eye, found = cast.together(part.base, part.prior), np.eye(cast.classes), []
    for _ in range(BURN_IN + DRAWS):
        likely = Likely.of(cast.alone(confusion), together, part.common)
        prior = np.log(np.maximum(shares, LEAST))[None] if part.prior is None else part.prior
        right = eye[_one_of(prior + likely.votes, rng)]
        alone = rng.random(len(right)) < (right * likely.alone).sum(1)
        confusion = _confusion(cast.by_right(right * alone[:, None]), part.base, rng)
        shares = rng.dirichlet(right.sum(0) + 1)
        found.append(np.diagonal(part.of_all(confusion), axis1=1, axis2=2) @ shares)
    return np.array(found[BURN_IN:]).reshape(DRAWS, cast.people)


def _one_of(logs: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n,) a column of each row, drawn with probabilities whose logarithms are `logs` (n, k) up to a constant."""
    chances = np.exp(logs - logs.max(1, keepdims=True)).cumsum(1)
    chosen: NDArray[np.intp] = (chances > rng.random((len(chances), 1)) * chances[:, -1:]).argmax(1)
    return chosen


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
