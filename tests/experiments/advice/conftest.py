"""A project of small noisy images with a val split, through the front door; one fifth of the labels can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.layout import Layout
from assay.params import Params
from assay.progress import silent
from assay.stages import audit, curate, select

CLASSES = ("top", "left", "plain")
SIZE = 12


def blob(category: str, rng: np.random.Generator) -> np.ndarray:
    """A noisy image, brighter at the top, at the left, or nowhere."""
    image = rng.normal(110, 40, (SIZE, SIZE))
    image[{"top": np.s_[:5], "left": np.s_[:, :5], "plain": np.s_[:0]}[category]] += 60
    return np.clip(image, 0, 255).astype(np.uint8)


class Workshop:
    """The project, and small params for it."""

    def __init__(self, project: Any) -> None:
        self.project, self.layout = project, project.layout
        self.wrong: set[str] = set()

    def params(self, **advise: Any) -> Params:
        model = {"model": "cnn", "options": {"width": 8, "blocks": 2, "dropout": 0.0}, "image_size": SIZE}
        loop = {"color": "gray", "epochs": 2, "batch": 16, "augment": "none", "lr": 0.02}
        train = {**model, **loop, "device": "cpu", "threads": 1}
        return self.project.params(
            train=train,
            curate={"near_duplicate": 1.0},
            advise={"seeds": 2, "trials": 2, "learner": "probe", **advise},
        )

    def fill(
        self, train: int = 120, val: int = 45, wrong: float = 0.0, open_: int = 10, groups: int = 0
    ) -> Layout:
        rng = np.random.default_rng(0)
        for split, count in (("train", train), ("val", val), ("test", 6), ("train", open_)):
            for n in range(count):
                number = len(self.project.rows)
                category = CLASSES[n % 3]
                said = CLASSES[(n + 1) % 3] if split == "train" and rng.random() < wrong else category
                row = {"split": split, "label": "" if number >= train + val + 6 else said}
                row["group"] = f"g{split}{n % groups}" if groups else ""
                made = self.project.add(f"i{number}", blob(category, rng), **row)
                if said != category and row["label"]:
                    self.wrong.add(made)
        self.project.embed()
        params = self.params()
        curate.run(params, self.layout, silent)
        audit.run(params, self.layout, silent)
        select.run(params, self.layout, silent)
        return self.layout


@pytest.fixture
def workshop(project: Any, tmp_path: Path) -> Workshop:
    return Workshop(project)


@pytest.fixture(scope="session")
def made() -> Callable[..., Any]:
    return blob
