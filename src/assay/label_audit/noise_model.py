"""How labels go wrong: from beliefs about images and the labels given, the probability that each label is wrong.

The right class k of an image x is drawn by q(k | x), the given label j then from a transition matrix T[k, j]:

    q(k | x) ∝ belief_k(x)^β         p(given = j | x) = Σₖ q(k | x) T[k, j]

β and T are those under which the given labels are likeliest (EM), T drawn towards errors that are alike for all
classes. Sharp beliefs with a floor of contradictions are wrong labels, blurred beliefs are images that are hard: that
is what tells the two apart. As in J. Goldberger, E. Ben-Reuven: Training deep neural networks using a noise
adaptation layer, ICLR 2017, but with out-of-fold beliefs for the network: no label has a part in what is believed of
its own image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.label_audit.beliefs import Chances, Ints

STEPS, TOLERANCE = 100, 1e-5
"""Of EM, at most; until the mean log-likelihood rises by less."""
SETTLING = 20
"""Steps that T takes to follow when q is sharpened."""
FLOOR = 1e-3
"""Added to beliefs: nothing is impossible."""
FIRST = 1.5, 0.1
"""β and the share of wrong labels to begin with."""
LEAST_ALIKE = 0.05
SHARPNESS = 1.25
"""β is raised by this factor in the end. Errors that are alike in one region of the images make the labels there look
like those of hard images, so the likeliest β is too low wherever errors depend on the image, and too few of them are
told. On digits and hands 1 to 1.5 keep the calibration error under 0.05 in every kind of noise."""


@dataclass(frozen=True)
class NoiseModel:
    exponent: float
    """β"""
    transition: NDArray[np.float64]
    """(k, k) T[right, given]; its rows sum to 1."""
    alike: float
    """0…1: how far T is drawn towards errors that are alike."""
    wrong: float
    """Share of wrong labels."""


def fit(beliefs: Chances, given: Ints, alike: float | None = None) -> NoiseModel:
    """From out-of-fold `beliefs` (n, k) and the labels `given` (n,); `alike` as found by `how_alike` if None."""
    logs = np.log(beliefs + FLOOR)
    return _fit(logs, given, how_alike(logs, given) if alike is None else alike)


def how_alike(logs: Chances, given: Ints) -> float:
    """How much of the wrong labels there would be if all errors were alike, beside what there is if they need not be.

    Its square: a T that is free takes confusions of the beliefs for errors where there are none of that kind, and is to
    be believed only where much cannot be told without it.
    """
    free, tied = _fit(logs, given, LEAST_ALIKE).wrong, _fit(logs, given, 1.0).wrong
    return float(np.clip((tied / max(free, 1e-9)) ** 2, LEAST_ALIKE, 1.0))


def posterior(model: NoiseModel, beliefs: Chances, given: Ints, sharpness: float = SHARPNESS) -> Chances:
    """(n, k) the probability of each class to be the right one, the label `given` (n,) considered."""
    clear = _softmax(sharpness * model.exponent * np.log(beliefs + FLOOR))
    right, _ = _posterior(clear, model.transition, given)
    for _ in range(SETTLING if sharpness != 1 else 0):
        right, _ = _posterior(clear, _transition(right, given, model.alike)[0], given)
    return right


def even(classes: int, wrong: float) -> NDArray[np.float64]:
    """(k, k) the transitions where a share `wrong` of each class goes to all others alike."""
    matrix = np.full((classes, classes), wrong / max(1, classes - 1))
    np.fill_diagonal(matrix, 1 - wrong)
    return matrix


def _fit(logs: Chances, given: Ints, alike: float) -> NoiseModel:
    exponent, wrong = FIRST
    transition, before = even(logs.shape[1], wrong), -np.inf
    for _ in range(STEPS):
        clear = _softmax(exponent * logs)
        right, likelihood = _posterior(clear, transition, given)
        transition, wrong = _transition(right, given, alike)
        exponent = _newton(exponent, clear, logs, right)
        if likelihood - before < TOLERANCE:
            break
        before = likelihood
    return NoiseModel(exponent, transition, alike, wrong)


def _posterior(clear: Chances, transition: NDArray[np.float64], given: Ints) -> tuple[Chances, float]:
    """(n, k) p(right | x, given), and the mean log-likelihood of the labels given."""
    joint = clear * transition[:, given].T
    evidence = joint.sum(1, keepdims=True)
    return joint / evidence, float(np.log(evidence).mean())


def _transition(right: Chances, given: Ints, alike: float) -> tuple[NDArray[np.float64], float]:
    """T as it is seen, drawn towards errors that are alike (a rare class the more), and the share of wrong labels."""
    classes = right.shape[1]
    seen = np.stack([np.bincount(given, right[:, k], minlength=classes) for k in range(classes)])
    wrong = max(0.0, 1 - float(np.trace(seen)) / len(given))
    prior = even(classes, wrong)
    matrix = (seen + classes * prior) / (seen.sum(1, keepdims=True) + classes)
    return (1 - alike) * matrix + alike * prior, wrong


def _newton(exponent: float, clear: Chances, logs: Chances, right: Chances) -> float:
    """β after one step towards the least cross-entropy between `right` and q; at most half as much again."""
    mean = (clear * logs).sum(1)
    slope = float((mean - (right * logs).sum(1)).sum())
    curvature = float(((clear * logs**2).sum(1) - mean**2).sum())
    step = slope / curvature if curvature > 0 else 0.0
    return float(np.clip(exponent - step, exponent / 1.5, exponent * 1.5))


def _softmax(logits: Chances) -> Chances:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    chances: Chances = powers / powers.sum(1, keepdims=True)
    return chances
