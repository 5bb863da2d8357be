"""Images as points: classes that overlap a little, and labels that go wrong in known ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

CLASSES = 5


@dataclass(frozen=True)
class Planted:
    vectors: np.ndarray
    right: np.ndarray
    given: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return self.right != self.given


def alike(right: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    moved = (right + rng.integers(1, CLASSES, len(right))) % CLASSES
    return np.where(rng.random(len(right)) < share, moved, right)


def to_the_next(right: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(right)) < share, (right + 1) % CLASSES, right)


@pytest.fixture(scope="session")
def plant() -> Callable[..., Planted]:
    """`plant(share)`: 1,500 images of 5 classes, and a share of wrong labels."""

    def make(share: float, flip=alike, n: int = 1500, seed: int = 0) -> Planted:
        rng = np.random.default_rng(seed)
        right = rng.integers(0, CLASSES, n)
        vectors = rng.normal(0, 1, (n, 16)) + 2.2 * np.eye(CLASSES, 16)[right]
        return Planted(vectors.astype(np.float32), right, flip(right, share, rng))

    return make
