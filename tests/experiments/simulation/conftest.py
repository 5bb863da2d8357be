"""A project of small noisy images with labelled train, val and test images, through the front door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.layout import Layout
from assay.params import Params
from assay.progress import silent
from assay.stages import curate

CLASSES = ("top", "left", "plain")
SIZE = 12


class Stage:
    """The project, and small params for it."""

    def __init__(self, project: Any) -> None:
        self.project, self.layout = project, project.layout

    def params(self, **simulate: Any) -> Params:
        small = {"strategies": ["margin", "kcenter"], "seeds": 2, "budgets": [6, 12, 24]}
        return self.project.params(curate={"near_duplicate": 1.0}, simulate={**small, **simulate})

    def fill(self, train: int = 90, val: int = 45, test: int = 36, classes: int = 3) -> Layout:
        rng = np.random.default_rng(0)
        for split, count in (("train", train), ("val", val), ("test", test)):
            for n in range(count):
                category = CLASSES[n % classes]
                name = f"i{len(self.project.rows)}"
                self.project.add(name, blob(category, rng), split=split, label=category)
        self.project.embed()
        curate.run(self.params(), self.layout, silent)
        return self.layout


def blob(category: str, rng: np.random.Generator) -> np.ndarray:
    """A noisy image, brighter at the top, at the left, or nowhere."""
    image = rng.normal(110, 40, (SIZE, SIZE))
    image[{"top": np.s_[:5], "left": np.s_[:, :5], "plain": np.s_[:0]}[category]] += 60
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture
def stage(project: Any) -> Stage:
    return Stage(project)
