"""Small real things that the tests share."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.data.images import ImageInfo
from assay.data.pool import PoolWriter, content_id

MakePool = Callable[..., Path]


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
