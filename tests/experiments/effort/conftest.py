"""A project of bright blobs with their masks, through the front door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from assay.experiments.effort import box_head
from assay.layout import Layout
from assay.params import Params, parse_params
from assay.progress import silent
from assay.stages import curate, embed, ingest
from assay.training import mask_decoder

SIDE = 64
IMAGES = 34
STEPS = 20


class Blobs:
    """The project, and small params for it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def params(self, **effort: Any) -> Params:
        small = {"seeds": 2, "hours": [0.05, 0.2], "image_size": SIDE, "schemes": ["boxes"]}
        return parse_params(
            {
                "task": "detection",
                "ingest": {"sources": [{"name": "s", "format": "masks", "path": "raw"}]},
                "embed": {"options": {"size": 4}},
                "curate": {"splits": {"train": 0.5, "val": 0.0, "test": 0.5}, "near_duplicate": 1.0},
                "train": {"model": "lite0_detector"},
                "track": {"primary": "ap"},
                "effort": {**small, **effort},
            }
        )

    def fill(self) -> None:
        for folder in ("images", "masks"):
            (self.layout.root / "raw" / folder).mkdir(parents=True)
        for number in range(IMAGES):
            pixels, numbers = blobs(np.random.default_rng(number))
            for folder, image in (("images", pixels), ("masks", numbers)):
                Image.fromarray(image).save(self.layout.root / "raw" / folder / f"{number}.png")
        for stage in (ingest, embed, curate):
            stage.run(self.params(), self.layout, silent)


def blobs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with one to four bright ellipses, and the map of their numbers."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    numbers = np.zeros((SIDE, SIDE), np.uint8)
    for k in range(int(rng.integers(1, 5))):
        cx, cy, a, b = *rng.uniform(12, SIDE - 12, 2), *rng.uniform(5, 11, 2)
        inside = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
        numbers[inside & (numbers == 0)] = k + 1
    image = rng.normal(70, 12, (SIDE, SIDE)) + 90 * (numbers > 0)
    return np.clip(image, 0, 255).astype(np.uint8), numbers


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to see that something was learnt."""
    monkeypatch.setattr(mask_decoder, "STEPS", STEPS)
    monkeypatch.setattr(box_head, "STEPS", 3)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    made = Blobs(Layout(tmp_path_factory.mktemp("blobs")))
    made.fill()
    return made
