"""A project of 120 tiny images that can be learnt, as `select` and `curate` would have left it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from assay.data.embeddings import PAIRS, part
from assay.data.files import write_json, write_table
from assay.data.pool import content_id
from assay.layout import Layout
from assay.params import Params, parse_params
from tests.project import Project

CATEGORIES = ["across", "down", "plain"]
SIZE = 12

MakeParams = Callable[..., Params]


def stripes(category: str, rng: np.random.Generator) -> bytes:
    """A noisy grey PNG with stripes across, down, or none."""
    image = np.full((SIZE, SIZE), 110.0)
    wave = np.sin(np.arange(SIZE) * 2.1 + rng.uniform(0, 6)) * 60
    image += {"across": wave[:, None], "down": wave[None, :], "plain": 0.0}[category]
    stream = io.BytesIO()
    pixels = np.clip(image + rng.normal(0, 45, image.shape), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def learnable(tmp_path: Path) -> Layout:
    """72 train, 24 val and 24 test images of three classes; the embeddings tell them apart too."""
    made, rng = Project(tmp_path / "project"), np.random.default_rng(0)
    labels = [CATEGORIES[n % 3] for n in range(120)]
    splits = [("train", "train", "train", "val", "test")[n // 3 % 5] for n in range(120)]
    images = [stripes(label, rng) for label in labels]
    cameras = [f'{{"camera":"{"left" if int(content_id(data)[0], 16) < 8 else "right"}"}}' for data in images]
    ids = made.put(images, label=labels, split=splits, metadata=cameras)
    made.curate()
    made.select(strategy="random")
    write_embeddings(made.layout, dict(zip(ids, labels, strict=True)), rng)
    return made.layout


def write_embeddings(layout: Layout, rows: dict[str, str], rng: np.random.Generator) -> None:
    path, ids = layout.embeddings, list(rows)
    centres = np.eye(3, 5) * 40 + 1000  # far from 0 and uneven: a probe must standardise
    labels = [CATEGORIES.index(rows[i]) for i in ids]
    vectors = (centres[labels] + rng.normal(0, 10, (len(ids), 5))) * np.array([1, 10, 0.1, 1, 0])
    write_table(part(path, "00000", "traits"), pa.table({"id": ids}))
    np.save(part(path, "00000", "vectors"), vectors.astype(np.float32))
    np.save(part(path, "00000", "thumbnails"), np.zeros((len(ids), 256), np.int8))
    write_table(part(path, "00000", "pairs"), PAIRS.empty_table())
    about = {"encoder": "pixels", "options": {}, "dim": 5, "shards": {"00000": len(ids)}}
    write_json(path / "embeddings.json", about)


@pytest.fixture
def make_params() -> MakeParams:
    """Params for a model that is trained in about a second; `train` and others override."""

    def make(**sections: Any) -> Params:
        small = {
            "model": "cnn",
            "options": {"width": 8, "blocks": 2, "dropout": 0.0},
            "image_size": SIZE,
            "color": "gray",
            "epochs": 3,
            "batch": 16,
            "augment": "none",
            "lr": 0.02,
            "device": "cpu",
            "threads": 1,
        }
        train = small | sections.pop("train", {})
        evaluate = {"bootstrap": 100, "batch": 10} | sections.pop("evaluate", {})
        source = {"name": "s", "format": "imagefolder", "path": "raw"}
        return parse_params(
            {"ingest": {"sources": [source]}, "train": train, "evaluate": evaluate, **sections}
        )

    return make
