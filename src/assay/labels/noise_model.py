"""Noise model of the labels: the log-likelihood of the given labels for each rate of wrong labels.

The right class k of an image x is distributed as the sharpened belief q; the given label j follows from k:

    q(k | x) ∝ belief_k(x)^β
    p(given = j | x) = q_j (1 − e_j(x)) + ε Σₖ qₖ ρₖ Rₖⱼ + c h(x) Σ_{k≠j} qₖ q_j / (1 − qₖ)
    e_j(x) = min(ε ρ_j + c h(x), MOST)

    β      exponent of the beliefs, fitted. The beliefs are out of fold: a label does not influence the belief of its
           own image, so fitting β to the labels calibrates the beliefs.
    ε      rate of errors that do not depend on the image
    ρ, R   class dependence of these errors (`Kernel`): relative rate of each right class, distribution of the given one
    h(x)   1 − maxₖ q(k | x), how hard the image is
    c      A √ε, rate of the additional errors on hard images: people err more often there

A label error contradicts the beliefs where they are sharp as well; a confusion of the beliefs does not. This separates
ε from β. R is a mixture of the uniform kernel and the beliefs' own confusion matrix: one parameter instead of k². A
free transition matrix T (J. Goldberger, E. Ben-Reuven: Training deep neural networks using a noise adaptation layer,
ICLR 2017) fits confusions of the beliefs as label errors; it replaces R only where held-out labels support it
(`free_kernel`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.labels.beliefs import Chances, Ints

Matrix = NDArray[np.float64]
Floats = NDArray[np.float64]

FLOOR = 1e-3
"""Added to each belief, so that its logarithm is finite."""
EXPONENTS = np.geomspace(0.8, 4.5, 20)
"""Grid of β."""
SHARES = np.concatenate([[0.0], np.geomspace(0.002, 0.6, 36)])
"""Grid of ε."""
ALIKE = np.linspace(0, 1, 5)
"""Grid of the weight of the confusion matrix in R; the rest of the weight is uniform."""
HARDER = 0.6
"""A at `unsure` = 0. On CIFAR-10N the error rate of people is about 0.6 √ε higher at h = 1."""
WEAK = 0.15
"""10 % quantile of h from about which on the beliefs cannot separate wrong labels from hard images."""
MOST = 0.97
"""Upper bound of e_j(x)."""
LEAST_LIKELY = 1e-12
"""Lower bound of p(given | x)."""
TOGETHER = 16
"""Probabilities in a product of which the logarithm is taken: LEAST_LIKELY to that power is a double still."""
STEPS = 40
"""Iterations of EM."""
TIED = 50.0
"""Pseudo-counts per class that draw T towards R."""
NATS, NATS_A_LABEL = 15.0, 0.002
"""Least gain of a free T in held-out log-likelihood: the larger of NATS and NATS_A_LABEL times the labels."""
LEAST_WRONG = 0.05
"""Least share of wrong labels under a free T; below it, one-way confusions of the beliefs explain the gain as well."""


@dataclass(frozen=True)
class Kernel:
    """Class dependence of the errors that do not depend on the image."""

    rates: Floats
    """(k,) ρ: error rate of each right class, divided by the mean rate."""
    matrix: Matrix
    """(k, k) R[right, given]: distribution of the given class of an error; zero diagonal, rows sum to 1."""
    harder: float
    """0…1: factor of A."""


@dataclass(frozen=True)
class Surface:
    """Log-likelihood of n labels on the grid of β, kernel and ε."""

    loglik: NDArray[np.float64]
    """(β, kernel, ε)"""
    hard: Floats
    """(β,) mean of h."""
    unsure: Floats
    """(β,) 10 % quantile of h, divided by WEAK: 1 and more, the beliefs are not sure of any image."""
    count: int
    """n"""
    free: Kernel | None
    """The one kernel of the grid if it was fitted; None: the kernels are those of ALIKE."""

    @property
    def best(self) -> tuple[int, int, int]:
        """Indices (β, kernel, ε) of the maximum."""
        at = np.unravel_index(int(self.loglik.argmax()), self.loglik.shape)
        return int(at[0]), int(at[1]), int(at[2])


def logs_of(beliefs: Chances) -> Chances:
    """(n, k) finite logarithms of beliefs."""
    return np.log(beliefs + FLOOR)


def sharpened(logs: Chances, exponent: float) -> Chances:
    """(n, k) q = softmax(β log belief), with β = `exponent`."""
    q: Chances = exponent * logs  # log FLOOR and more: no power is too small for its sum
    np.exp(q, out=q)
    q /= q.sum(1, keepdims=True)
    return q


def looks_alike(q: Chances) -> Matrix:
    """(k, k) confusion matrix of the beliefs: q of the images of each likeliest class; zero diagonal, rows sum to 1."""
    classes = q.shape[1]
    seen = np.eye(classes)[q.argmax(1)].T @ q + 0.5 / classes
    np.fill_diagonal(seen, 0)
    matrix: Matrix = seen / seen.sum(1, keepdims=True)
    return matrix


def kernel(q: Chances, alike: float) -> Kernel:
    """R = (1 − alike) × uniform + alike × confusion matrix of q; ρ = 1."""
    return _mixed(looks_alike(q), alike)


def _mixed(confusion: Matrix, alike: float) -> Kernel:
    classes = len(confusion)
    any_other = (1 - np.eye(classes)) / max(1, classes - 1)
    return Kernel(np.ones(classes), (1 - alike) * any_other + alike * confusion, alike)


def harder(unsure: float | Floats) -> float | Floats:
    """A = HARDER / (1 + unsure⁴). It falls to 0 where no belief is sure: h does not measure hardness there."""
    return HARDER / (1 + unsure**4)


def surface(
    logs: Chances,
    given: Ints,
    exponents: Floats = EXPONENTS,
    shares: Floats = SHARES,
    alike: Sequence[float] | Floats = ALIKE,
    free: Kernel | None = None,
) -> Surface:
    """Log-likelihood of the labels `given` (n,), from logarithms of their out-of-fold beliefs (n, k)."""
    loglik = np.empty((len(exponents), 1 if free else len(alike), len(shares)))
    hard, unsure = np.empty(len(exponents)), np.empty(len(exponents))
    for i, exponent in enumerate(exponents):
        at = _at(sharpened(logs, float(exponent)), given)
        hard[i], unsure[i] = at.hard.mean(), np.quantile(at.hard, 0.1) / WEAK
        confusion = looks_alike(at.q)
        for m, one in enumerate([free] if free else [_mixed(confusion, float(a)) for a in alike]):
            loglik[i, m] = _loglik(at, given, one, shares, float(harder(unsure[i])))
    return Surface(loglik, hard, unsure, len(given), free)


@dataclass(frozen=True)
class _BetaTerms:
    """What p(given | x) consists of at one β, for all kernels and ε."""

    q: Chances
    """(n, k)"""
    own: Floats
    """(n,) q_j"""
    hard: Floats
    """(n,) h"""
    blurred: Floats
    """(n,) h Σ_{k≠j} qₖ q_j / (1 − qₖ)"""


def _at(q: Chances, given: Ints) -> _BetaTerms:
    rows, hard = np.arange(len(given)), 1 - q.max(1)
    own, odds = q[rows, given], q / np.maximum(1 - q, 1e-9)
    return _BetaTerms(q, own, hard, hard * own * (odds.sum(1) - odds[rows, given]))


def _loglik(at: _BetaTerms, given: Ints, one: Kernel, shares: Floats, more: float) -> Floats:
    """(shares,) Σ log p(given | x) for each ε of `shares`; `more`: A."""
    slips = (at.q @ (one.rates[:, None] * one.matrix))[np.arange(len(given)), given]
    rates, found = one.rates[given], np.empty(len(shares))
    for i, share in enumerate(shares):
        c = more * one.harder * share**0.5
        likely = _stays_right(at.hard, rates, float(share), c)
        likely *= at.own
        likely += share * slips
        likely += c * at.blurred
        found[i] = _sum_of_logs(np.maximum(likely, LEAST_LIKELY, out=likely))
    return found


def _sum_of_logs(values: Floats) -> float:
    """Σ log of values (n,) from LEAST_LIKELY to 1: the logarithms of products of TOGETHER of them, which are fewer."""
    cut = len(values) // TOGETHER * TOGETHER
    products = values[:cut].reshape(TOGETHER, -1).prod(0)
    return float(np.log(products).sum() + np.log(values[cut:]).sum())


def _stays_right(h: Floats, rates: Floats, share: float, c: float) -> Floats:
    """(n,) 1 − e_j(x): the probability that a label of the right class j stays; `rates` (n,): ρ_j."""
    wrong = share * rates
    wrong += c * h
    stays: Floats = np.subtract(1, np.minimum(wrong, MOST, out=wrong), out=wrong)
    return stays


def joint(q: Chances, given: Ints, one: Kernel, share: float, more: float, fails: float) -> Chances:
    """(n, k) p(right = k, given | x), up to a factor of each row.

    `share`: ε; `more`: c; `fails`: δ, the share of images on which the beliefs fail: q is replaced by the row of R of
    the likeliest class.
    """
    rows, h = np.arange(len(given)), 1 - q.max(1)
    believed = (1 - fails) * q + fails * one.matrix[q.argmax(1)]
    slips = share * (one.rates[:, None] * one.matrix)[:, given].T
    wrong = slips + (more * h * q[rows, given])[:, None] / np.maximum(1 - q, 1e-9)
    chances: Chances = believed * wrong
    chances[rows, given] = believed[rows, given] * _stays_right(h, one.rates[given], share, more)
    return chances


# --- free transition matrix T


def free_kernel(logs: Chances, given: Ints, seed: int) -> Kernel | None:
    """The kernel of a free T, or None where held-out labels do not support one.

    Twofold cross-validation: T must gain NATS over the best restricted kernel. On all labels it must find LEAST_WRONG,
    and the surest tenth of the beliefs must be surer than WEAK.
    """
    order = np.random.default_rng(seed).permutation(len(given))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    gained = 0.0
    for fitted, held in (halves, halves[::-1]):
        exponent, tied = _tied(logs[fitted], given[fitted])
        beta, matrix = _em(logs[fitted], given[fitted], exponent, tied)
        gained += _fits(logs[held], given[held], beta, matrix) - _fits(
            logs[held], given[held], exponent, tied
        )
    if gained < max(NATS, NATS_A_LABEL * len(given)):
        return None
    beta, matrix = _em(logs, given, *_tied(logs, given))
    q = sharpened(logs, beta)
    shares = np.bincount(q.argmax(1), minlength=len(matrix)) / len(q)
    if (1 - np.diag(matrix)) @ shares < LEAST_WRONG or np.quantile(1 - q.max(1), 0.1) > WEAK:
        return None
    return _kernel_of(matrix, shares)


def _tied(logs: Chances, given: Ints) -> tuple[float, Matrix]:
    """β and T = (1 − ε) I + ε R of the grid point with the largest likelihood."""
    found = surface(logs, given, EXPONENTS[::2], SHARES[::2])
    i, m, s = found.best
    exponent, share = float(EXPONENTS[::2][i]), max(float(SHARES[::2][s]), 0.01)
    matrix = share * kernel(sharpened(logs, exponent), float(ALIKE[m])).matrix
    np.fill_diagonal(matrix, 1 - share)
    return exponent, matrix


def _em(logs: Chances, given: Ints, exponent: float, tied: Matrix) -> tuple[float, Matrix]:
    """β and T that maximise the likelihood of the labels, by EM; a Dirichlet prior draws T towards `tied`."""
    matrix, classes = tied, len(tied)
    for _ in range(STEPS):
        q = sharpened(logs, exponent)
        right = q * matrix[:, given].T
        right /= right.sum(1, keepdims=True)
        seen = np.stack([np.bincount(given, right[:, k], minlength=classes) for k in range(classes)])
        matrix = seen + TIED * tied
        matrix = matrix / matrix.sum(1, keepdims=True)
        exponent = newton_step(exponent, q, logs, right)
    return exponent, matrix


def newton_step(exponent: float, q: Chances, logs: Chances, right: Chances) -> float:
    """β after one Newton step on the cross-entropy between `right` (n, k) and q; a step is a factor of 1.3 at most."""
    mean = (q * logs).sum(1)
    slope = float((mean - (right * logs).sum(1)).sum())
    curvature = float(((q * logs**2).sum(1) - mean**2).sum())
    step = slope / curvature if curvature > 0 else 0.0
    moved = np.clip(exponent - step, exponent / 1.3, exponent * 1.3)
    return float(np.clip(moved, EXPONENTS[0], EXPONENTS[-1]))


def _fits(logs: Chances, given: Ints, exponent: float, matrix: Matrix) -> float:
    """Log-likelihood of the labels under q T."""
    rows = np.arange(len(given))
    return float(np.log((sharpened(logs, exponent) @ matrix)[rows, given] + 1e-12).sum())


def _kernel_of(matrix: Matrix, shares: Floats) -> Kernel:
    """ρ and R of T; `shares` (k,): of the images by their likeliest class."""
    wrong, away = 1 - np.diag(matrix), matrix.copy()
    np.fill_diagonal(away, 0)
    return Kernel(wrong / float(wrong @ shares), away / away.sum(1, keepdims=True), 1.0)
