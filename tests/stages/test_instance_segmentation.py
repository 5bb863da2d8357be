"""Instances from a folder of masks through all stages: discs that touch, each a number of a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.data.files import read_json, read_table
from assay.data.masks import area
from assay.data.outlines import RLE
from assay.layout import Layout
from assay.params import Params
from assay.progress import silent
from assay.stages import curate, embed, evaluate, ingest, select, train
from tests.project import Project

IMAGES, WIDTH, HEIGHT = 12, 64, 48
PARAMS = {
    "task": "instance_segmentation",
    "ingest": {"sources": [{"name": "discs", "format": "masks", "path": "raw", "options": {"category": "disc"}}]},
    "select": {"strategy": "random", "budget": 1},
    "train": {"model": "lite0_instances", "options": {"width": 16, "most": 10}, "epochs": 1, "batch": 4,
              "augment": "flips", "threads": 1},
    "evaluate": {"bootstrap": 100, "batch": 8},
    "track": {"primary": "ap50"},
}  # fmt: skip


def write_scenes(folder: Path) -> None:
    """Two discs that touch on each image, but for the first, which shows none."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for n in range(IMAGES):
        image = rng.integers(40, 80, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        numbers = np.zeros((HEIGHT, WIDTH), np.uint16)
        x, y = rng.integers(12, 36), rng.integers(12, 36)
        for number, across in enumerate((x, x + 17), 1) if n else ():
            numbers[(columns - across) ** 2 + (rows - y) ** 2 <= 64] = number
        image[numbers > 0] = 220
        Image.fromarray(image).save(folder / "images" / f"{n:02d}.png")
        Image.fromarray(numbers).save(folder / "masks" / f"{n:02d}.png")


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("discs"))
    write_scenes(layout.root / "raw")
    params: Params = Project(layout.root, **PARAMS).params()
    for stage in (ingest, embed, curate, select, train, evaluate):
        stage.run(params, layout, silent)
    return layout


def test_the_test_set_carries_outlines(discs):
    labels = read_table(discs.snapshot / "ruler.parquet")["label"].to_pylist()
    assert labels
    assert all("segmentation" in label and "bbox" not in label for label in labels if label != "[]")


def test_predictions_are_masks_in_pixels_of_the_image(discs):
    rows = read_table(discs.outputs / "predictions.parquet").to_pylist()
    assert {(row["height"], row["width"]) for row in rows} == {(HEIGHT, WIDTH)}
    found = [(box, counts) for row in rows for box, counts in zip(row["boxes"], row["masks"], strict=True)]
    assert found
    for (x, y, w, h), counts in found:
        assert 0 < area(RLE(size=(HEIGHT, WIDTH), counts=counts)) <= w * h
        assert 0 <= x <= x + w <= WIDTH
        assert 0 <= y <= y + h <= HEIGHT


def test_metrics_and_plots_are_those_of_objects(discs):
    metrics = read_json(discs.outputs / "metrics.json")
    assert set(metrics["test"]) >= {"ap", "ap50", "ap75", "f1", "per_class", "details"}
    assert set(metrics["test"]["details"]) == {"threshold", "sizes", "errors", "confusion"}
    plots = {file.name for file in (discs.outputs / "plots").iterdir()}
    assert plots == {"intervals.png", "errors.png", "curves.png", "per_class.png"}
