"""How labels go wrong: the likelihood of the given labels under a share of wrong ones and a sharpness of the beliefs.

The right class k of an image x is drawn by q(k | x), the given label j then by how labels go wrong:

    q(k | x) ∝ belief_k(x)^β
    p(given = j | x) = q_j (1 − e(x)) + ε Σₖ qₖ ρₖ Rₖⱼ + c h(x) Σₖ qₖ q_j / (1 − qₖ)      e(x) = ε ρ + c h(x)

The beliefs are out of fold: no label has a part in what is believed of its own image, so β, fitted, calibrates them.
ε is the share of labels that go wrong whatever the image, ρ and R (a `Kernel`) in which classes and to which ones. As
people err more where an image is hard (h: the chance that it is not of its likeliest class), c = A √ε of that is added.

Wrong labels contradict beliefs also where these are sharp, confusions of the beliefs do not: that tells ε from β. R is
a mixture of "any other class" and "one that looks alike", by the beliefs' own confusions: one number rather than k².
A T that is free (J. Goldberger, E. Ben-Reuven: Training deep neural networks using a noise adaptation layer, ICLR 2017)
books confusions as errors; it is used where held-out likelihood says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.label_audit.beliefs import Chances, Ints

Matrix = NDArray[np.float64]
Floats = NDArray[np.float64]

FLOOR = 1e-3
"""Added to beliefs: nothing is impossible."""
EXPONENTS = np.geomspace(0.8, 4.5, 20)
"""β"""
SHARES = np.concatenate([[0.0], np.geomspace(0.002, 0.6, 36)])
"""ε"""
ALIKE = np.linspace(0, 1, 5)
"""Weight of the classes that look alike in R."""
HARDER = 0.6
"""A. On CIFAR-10N people err about 0.6 √ε more often on an image that no model can tell."""
WEAK = 0.15
"""h of the surest tenth of the images, about from which on beliefs cannot tell wrong labels from hard images."""
MOST = 0.97
"""Chance of a wrong label, at most."""
STEPS = 40
"""Of EM."""
TIED = 50.0
"""Labels of each class that T is tied to R by."""
NATS, NATS_A_LABEL = 15.0, 0.002
"""Of held-out log-likelihood that a free T must gain."""
LEAST_WRONG = 0.05
"""Share of wrong labels that it must find: what is less may be classes that the beliefs confuse one way."""


@dataclass(frozen=True)
class Kernel:
    """Of the labels that go wrong whatever the image: in which classes, and to which ones."""

    rates: Floats
    """(k,) ρ: how often in each class, over the mean."""
    matrix: Matrix
    """(k, k) R[right, given]; zero diagonal, rows sum to 1."""
    harder: float
    """0…1: part of A."""


@dataclass(frozen=True)
class Surface:
    """Log-likelihood of all labels for each β, kernel and ε."""

    loglik: NDArray[np.float64]
    """(β, kernel, ε)"""
    hard: Floats
    """(β,) mean of h."""
    unsure: Floats
    """(β,) h of the surest tenth, over WEAK."""
    count: int
    """Labels."""
    free: Kernel | None
    """The kernel, if it was fitted; else the kernels of ALIKE."""

    @property
    def best(self) -> tuple[int, int, int]:
        at = np.unravel_index(int(self.loglik.argmax()), self.loglik.shape)
        return int(at[0]), int(at[1]), int(at[2])


def logs_of(beliefs: Chances) -> Chances:
    return np.log(beliefs + FLOOR)


def sharpened(logs: Chances, exponent: float) -> Chances:
    """(n, k) q, of the logarithms of beliefs."""
    scaled = exponent * logs
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    chances: Chances = powers / powers.sum(1, keepdims=True)
    return chances


def looks_alike(q: Chances) -> Matrix:
    """(k, k) what else images of each likeliest class are believed to be; zero diagonal, rows sum to 1."""
    classes = q.shape[1]
    seen = np.eye(classes)[q.argmax(1)].T @ q + 0.5 / classes
    np.fill_diagonal(seen, 0)
    matrix: Matrix = seen / seen.sum(1, keepdims=True)
    return matrix


def kernel(q: Chances, alike: float) -> Kernel:
    """Errors to any other class, and by the weight `alike` to one that looks alike."""
    classes = q.shape[1]
    any_other = (1 - np.eye(classes)) / max(1, classes - 1)
    return Kernel(np.ones(classes), (1 - alike) * any_other + alike * looks_alike(q), alike)


def harder(unsure: float | Floats) -> float | Floats:
    """A of beliefs whose surest tenth is `unsure`: where nothing is sure, nothing is known of hard images."""
    return HARDER / (1 + unsure**4)


def surface(
    logs: Chances,
    given: Ints,
    exponents: Floats = EXPONENTS,
    shares: Floats = SHARES,
    alike: Sequence[float] | Floats = ALIKE,
    free: Kernel | None = None,
) -> Surface:
    """The log-likelihoods, from logarithms of out-of-fold beliefs (n, k) and the labels `given` (n,)."""
    loglik = np.empty((len(exponents), 1 if free else len(alike), len(shares)))
    hard, unsure = np.empty(len(exponents)), np.empty(len(exponents))
    for i, exponent in enumerate(exponents):
        q = sharpened(logs, float(exponent))
        h = 1 - q.max(1)
        hard[i], unsure[i] = h.mean(), np.quantile(h, 0.1) / WEAK
        for m, one in enumerate([free] if free else [kernel(q, float(a)) for a in alike]):
            loglik[i, m] = _loglik(q, h, given, one, shares, float(harder(unsure[i])))
    return Surface(loglik, hard, unsure, len(given), free)


def _loglik(q: Chances, h: Floats, given: Ints, one: Kernel, shares: Floats, more: float) -> Floats:
    """(shares,)"""
    rows = np.arange(len(given))
    own, slips = q[rows, given], ((q * one.rates) @ one.matrix)[rows, given]
    odds = q / np.maximum(1 - q, 1e-9)
    blurred = h * own * (odds.sum(1) - odds[rows, given])
    found = np.empty(len(shares))
    for i, share in enumerate(shares):
        c = more * one.harder * share**0.5
        right = 1 - np.minimum(share * one.rates[given] + c * h, MOST)
        found[i] = np.log(np.maximum(own * right + share * slips + c * blurred, 1e-12)).sum()
    return found


def joint(q: Chances, given: Ints, one: Kernel, share: float, more: float, fails: float) -> Chances:
    """(n, k) p(right = k, given | x), up to a factor; in a share `fails` of the images the beliefs tell nothing.

    `more`: c.
    """
    rows, h = np.arange(len(given)), 1 - q.max(1)
    believed = (1 - fails) * q + fails * one.matrix[q.argmax(1)]
    slips = share * (one.rates[:, None] * one.matrix)[:, given].T
    wrong = slips + (more * h * q[rows, given])[:, None] / np.maximum(1 - q, 1e-9)
    chances: Chances = believed * wrong
    right = 1 - np.minimum(share * one.rates[given] + more * h, MOST)
    chances[rows, given] = believed[rows, given] * right
    return chances


# --- a T that is free


def free_kernel(logs: Chances, given: Ints, seed: int) -> Kernel | None:
    """The kernel of a T that is free, if it makes labels likelier that it was not fitted to; else None."""
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
    """β and T of the likeliest of the kernels that look alike."""
    found = surface(logs, given, EXPONENTS[::2], SHARES[::2])
    i, m, s = found.best
    exponent, share = float(EXPONENTS[::2][i]), max(float(SHARES[::2][s]), 0.01)
    matrix = share * kernel(sharpened(logs, exponent), float(ALIKE[m])).matrix
    np.fill_diagonal(matrix, 1 - share)
    return exponent, matrix


def _em(logs: Chances, given: Ints, exponent: float, tied: Matrix) -> tuple[float, Matrix]:
    """β and T under which the labels are likeliest, T drawn towards `tied`."""
    matrix, classes = tied, len(tied)
    for _ in range(STEPS):
        q = sharpened(logs, exponent)
        right = q * matrix[:, given].T
        right /= right.sum(1, keepdims=True)
        seen = np.stack([np.bincount(given, right[:, k], minlength=classes) for k in range(classes)])
        matrix = seen + TIED * tied
        matrix = matrix / matrix.sum(1, keepdims=True)
        exponent = _newton(exponent, q, logs, right)
    return exponent, matrix


def _newton(exponent: float, q: Chances, logs: Chances, right: Chances) -> float:
    """β after one step towards the least cross-entropy between `right` and q."""
    mean = (q * logs).sum(1)
    slope = float((mean - (right * logs).sum(1)).sum())
    curvature = float(((q * logs**2).sum(1) - mean**2).sum())
    step = slope / curvature if curvature > 0 else 0.0
    moved = np.clip(exponent - step, exponent / 1.3, exponent * 1.3)
    return float(np.clip(moved, EXPONENTS[0], EXPONENTS[-1]))


def _fits(logs: Chances, given: Ints, exponent: float, matrix: Matrix) -> float:
    rows = np.arange(len(given))
    return float(np.log((sharpened(logs, exponent) @ matrix)[rows, given] + 1e-12).sum())


def _kernel_of(matrix: Matrix, shares: Floats) -> Kernel:
    wrong, away = 1 - np.diag(matrix), matrix.copy()
    np.fill_diagonal(away, 0)
    return Kernel(wrong / float(wrong @ shares), away / away.sum(1, keepdims=True), 1.0)
