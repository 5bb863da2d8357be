"""Small real things that the tests share."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

# before numpy and torch are loaded: one test a core, whose idle threads would spin and take the time of the other
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does: servers run beside the tests

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from assay.data.images.decode import ImageInfo
from assay.data.pool import PoolWriter, content_id
from tests.project import Project

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a background job ignores it, and so do its children

settings.register_profile(
    "no clock",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("no clock")  # on a busy machine tests are slower, not red

MakePool = Callable[..., Path]
LONGEST = ("flows", "pipeline")
"""Folders whose files run first, so that no worker is left alone with them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.parent.name, len(rank)))


def png(value: int, size: int = 8) -> bytes:
    """A small grey PNG that differs for each value."""
    rng = np.random.default_rng(value)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (size, size), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def images() -> list[bytes]:
    return [png(value) for value in range(20)]


@pytest.fixture
def make_pool(tmp_path: Path, images: list[bytes]) -> MakePool:
    """A pool of the 20 images; odd ones are labelled `odd`, the multiples of four `even`, the others not at all."""

    def make(path: Path | None = None, shard_images: int = 8) -> Path:
        path = path or tmp_path / "data" / "pool"
        with PoolWriter(path, shard_images, 1 << 20) as writer:
            for n, data in enumerate(images):
                label = "odd" if n % 2 else "even" if n % 4 == 0 else None
                note = None if label is None else f'[{{"category":"{label}"}}]'
                writer.add(content_id(data), data, ImageInfo(8, 8, "L", "PNG"))
                row = (content_id(data), "s", f"{n:02d}.png", note, None, None, None, "{}", False)
                writer.add_row("imports", row)
                if writer.full:
                    writer.commit()
        return path

    return make


def picture(seed: int, side: int = 64) -> np.ndarray:
    """A picture that looks like no other and is the same after compression: (side, side) uint8."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(20, 236, (8, 8), dtype=np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.NEAREST))


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    """`draw(seed, side=64)`: see `picture`."""
    return picture


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def striped(across: bool, seed: int) -> np.ndarray:
    """A picture of one of two kinds: stripes that run along or across, with noise of its own."""
    rng = np.random.default_rng(seed)
    wave = 90 * np.sin(np.arange(64) / 5 + rng.uniform(0, 1.5))
    grid = np.tile(wave, (64, 1)) if across else np.tile(wave[:, None], (1, 64))
    return np.clip(128 + grid + rng.normal(0, 15, (64, 64)), 0, 255).astype(np.uint8)


@pytest.fixture
def zoo(project: Project) -> Project:
    """60 pictures of two kinds: p4, p9 and p50 have the other's label, and p50 is a test image."""
    for n in range(60):
        kind = "across" if n % 2 else "along"
        label = {"along": "across", "across": "along"}[kind] if n in (4, 9, 50) else kind
        split = "test" if n in (50, 51) else "val" if n % 7 == 0 else "train"
        project.add(f"p{n}", striped(kind == "across", n), label=label, split=split)
    return project
