"""Images of no class and wrong labels: average precision of the outlier score and of the orders of the audit.

In each set of images, a share has wrong labels (uniform noise), and images are added that belong to none of its
classes, with random labels: images of another set, or of one of its own classes, which is left out.
Measured: average precision of three orders (probability of a wrong label, outlier score, both combined) for all wrong
labels and foreign images; and the shares of foreign and of other images that are proposed for exclusion.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from assay.checks.outliers import LIMITS
from assay.data.suspects import FOREIGN, combined
from assay.labels.judge import judge
from assay.labels.outliers import scores
from benchmarks import real_labels
from benchmarks.encoded import Data, digits, vectors_of
from benchmarks.figures import Figure

MOST = 2000
"""Largest number of images of a set, without the foreign ones."""
DRAWS = 3
WRONG, ADDED = 0.08, 0.04
"""Shares of wrong labels and of foreign images."""
KINDS = ("none", "another set", "a class left out")
ORDERS = ("wrong", "outlier", "combined")

Ints = NDArray[np.int64]
Row = dict[str, Any]


@dataclass(frozen=True)
class Vectors:
    """Embeddings (n, d) of a set of images and their classes (n,)."""

    name: str
    vectors: NDArray[np.float32]
    right: Ints


@dataclass(frozen=True)
class Planted:
    """Embeddings (n, d) and labels (n,) in 0…classes−1; which labels are wrong and which images foreign."""

    vectors: NDArray[np.float32]
    given: Ints
    wrong: NDArray[np.bool_]
    foreign: NDArray[np.bool_]

    @property
    def classes(self) -> int:
        return int(self.given.max()) + 1


def rows(data: Data, encoders: tuple[str, ...], home: Path, most: int = MOST) -> list[Row]:
    """A row for each encoder, set and kind of foreign image, means over draws; `most`: images of a set at most."""
    made = []
    for encoder in encoders:
        sets = list(_sets(data, encoder, home, most))
        for number, one in enumerate(sets):
            other = sets[(number + 1) % len(sets)]
            made += [_row(encoder, one, kind, other) for kind in KINDS]
            print(f"  {made[-1]}", flush=True)
    return made


def _sets(data: Data, encoder: str, home: Path, most: int) -> Iterator[Vectors]:
    """The requested images, digits, and the sets of `real_labels`; foreign images are from the next set."""
    few, figures = data.pool[:most], digits(most)
    yield Vectors("images", np.array(vectors_of(few, encoder, home)), data.pool_targets[:most])
    yield Vectors("digits", np.array(vectors_of(figures.pool, encoder, home)), figures.pool_targets)
    folder = os.environ.get(real_labels.VARIABLE)
    for real in real_labels.sets(Path(folder)) if folder else ():
        chosen = np.random.default_rng(0).permutation(len(real.images))[:most]  # they are sorted by class
        vectors = vectors_of(real.images, encoder, home)[chosen]
        yield Vectors(real.name, vectors, real.labels[real_labels.CLEAN][chosen])


def planted(one: Vectors, kind: str, other: Vectors, draw: int) -> Planted:
    """One draw. The class that is left out depends on `draw`."""
    rng, classes = np.random.default_rng(draw), int(one.right.max()) + 1
    vectors, right, foreign = one.vectors, one.right, other.vectors
    if kind == "a class left out":
        out = (3 * draw + 1) % classes
        kept, classes = right != out, classes - 1
        vectors, right, foreign = vectors[kept], (right - (right > out))[kept], vectors[~kept]
    foreign = foreign[rng.permutation(len(foreign))[: 0 if kind == "none" else round(ADDED * len(right))]]
    moved = (right + rng.integers(1, classes, len(right))) % classes
    given = np.where(rng.random(len(right)) < WRONG, moved, right)
    return Planted(
        np.concatenate([vectors, foreign]),
        np.concatenate([given, rng.integers(0, classes, len(foreign))]),
        np.concatenate([given != right, np.zeros(len(foreign), bool)]),
        np.arange(len(right) + len(foreign)) >= len(right),
    )


def _row(encoder: str, one: Vectors, kind: str, other: Vectors) -> Row:
    draws = [_draw(planted(one, kind, other, draw)) for draw in range(DRAWS)]
    name = f"{kind}: {other.name}" if kind == "another set" else kind
    means = {key: float(np.mean([draw[key] for draw in draws])) for key in draws[0]}
    return {"encoder": encoder, "set": one.name, "foreign": name, **means}


def _draw(of: Planted) -> dict[str, float]:
    """Average precision of each order, and shares of the foreign images and of the others above FOREIGN."""
    said = judge(of.vectors, of.given, np.arange(len(of.given)), of.classes, 0)
    outlier = scores(said.distance, LIMITS["outlier"])
    by = {"wrong": said.wrong, "outlier": outlier, "combined": combined(said.wrong, outlier)}
    row = {order: float(average_precision_score(of.wrong | of.foreign, by[order])) for order in ORDERS}
    proposed = outlier > FOREIGN
    row["excluded_others"] = float(proposed[~of.foreign].mean())
    return row | ({"excluded_foreign": float(proposed[of.foreign].mean())} if of.foreign.any() else {})


def figures(made: list[Row]) -> list[Figure]:
    """Average precision of the combined order minus that of the probability, with and without foreign images."""

    def margins(of: list[Row]) -> dict[str, float]:
        return {
            f"{row['encoder']}, {row['set']}, {row['foreign']}": row["combined"] - row["wrong"] for row in of
        }

    clean = margins([row for row in made if row["foreign"] == "none"])
    other = margins([row for row in made if row["foreign"].startswith("another set")])
    name = "average precision of the combined order beyond that of the probability"
    return [
        Figure(f"{name}, mean, images of another set", _mean(other), "at least", 0, "", other),
        Figure(f"{name}, mean, nothing foreign", _mean(clean), "at least", -0.005, "", clean),
    ]


def _mean(values: dict[str, float]) -> float:
    return float(np.mean(list(values.values())))
