"""Projects of bright blobs with their masks, and of discs and squares in COCO's format, through the front door."""

from __future__ import annotations

import json
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

    FORMAT = "masks"

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def params(self, **effort: Any) -> Params:
        small = {"seeds": 2, "hours": [0.05, 0.2], "image_size": SIDE, "schemes": ["boxes"]}
        return parse_params(
            {
                "task": "detection",
                "ingest": {"sources": [{"name": "s", "format": self.FORMAT, "path": "raw"}]},
                "embed": {"options": {"size": 4}},
                "curate": {"splits": {"train": 0.5, "val": 0.0, "test": 0.5}, "near_duplicate": 1.0},
                "train": {"model": "lite0_detector"},
                "track": {"primary": "ap"},
                "effort": {**small, **effort},
            }
        )

    def fill(self) -> None:
        self.write()
        for stage in (ingest, embed, curate):
            stage.run(self.params(), self.layout, silent)

    def write(self) -> None:
        for folder in ("images", "masks"):
            (self.layout.root / "raw" / folder).mkdir(parents=True)
        for number in range(IMAGES):
            pixels, numbers = blobs(np.random.default_rng(number))
            for folder, image in (("images", pixels), ("masks", numbers)):
                Image.fromarray(image).save(self.layout.root / "raw" / folder / f"{number}.png")


class Shapes(Blobs):
    """Half of the images show bright discs, half of them striped squares, each for itself."""

    FORMAT = "coco"
    CLASSES = ("disc", "square")

    def write(self) -> None:
        raw = self.layout.root / "raw"
        raw.mkdir()
        images, objects = [], []
        for number in range(IMAGES):
            pixels, shapes = discs_and_squares(np.random.default_rng(number))
            images.append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
            Image.fromarray(pixels).save(raw / images[-1]["file_name"])
            for k, ring in shapes:
                area = {"iscrowd": 0, "area": 1, "bbox": [*ring.min(0), *np.ptp(ring, axis=0)]}
                place = {"id": len(objects) + 1, "image_id": number, "category_id": k + 1}
                objects.append(place | area | {"segmentation": [ring.ravel().tolist()]})
        classes = [{"id": k + 1, "name": name} for k, name in enumerate(self.CLASSES)]
        told = {"images": images, "annotations": objects, "categories": classes}
        (raw / "instances.json").write_text(json.dumps(told))


def discs_and_squares(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, np.ndarray]]]:
    """A noisy image, and the number of the class and the outline (n, 2) of each shape on it."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    image, shapes = rng.normal(90, 12, (SIDE, SIDE)), []
    turn = 2 * np.pi * np.arange(24) / 24
    for k in np.flatnonzero(rng.random(2) < 0.5).tolist():
        for _ in range(int(rng.integers(1, 3))):
            r = rng.uniform(7, 11)
            cx, cy = rng.uniform(r + 1, SIDE - r - 1, 2)
            if k == 0:
                image[(x - cx) ** 2 + (y - cy) ** 2 <= r**2] = 180
                ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
            else:
                inside = (abs(x - cx) <= r) & (abs(y - cy) <= r)
                image[inside] = np.where((x + y) // 3 % 2 > 0, 10, 200)[inside]
                ring = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
            shapes.append((k, np.array([cx, cy]) + r * ring))
    return np.clip(image, 0, 255).astype(np.uint8), shapes


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


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    made = Shapes(Layout(tmp_path_factory.mktemp("shapes")))
    made.fill()
    return made
