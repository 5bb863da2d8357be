"""A snapshot as a torch data set, for training code outside assay, which itself reads the decoded cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import Dataset

from assay import api
from assay.data.images.decode import Color, decode, decode_resized
from assay.data.pool import Pool

USUAL = 224
"""px: the input size of most networks."""


class ImageDataset(Dataset[tuple[Any, int]]):
    """(image, class index) by position; the image is a uint8 tensor (3, h, w), or the result of `transform`.

    `size`: images are first squeezed to (3, size, size), like the inputs of assay's models; None: stored size. Works in
    a DataLoader with workers: each opens its own files.
    """

    def __init__(
        self,
        path: Path,
        ids: Sequence[str],
        labels: Sequence[str],
        classes: Sequence[str],
        transform: Callable[[torch.Tensor], Any] | None = None,
        color: Color = "rgb",
        size: int | None = None,
    ) -> None:
        self.path, self.ids, self.classes = path, list(ids), list(classes)
        self.targets = [self.classes.index(label) for label in labels]
        self.transform, self.color, self.size = transform, color, size
        self._pool: Pool | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        if self._pool is None:
            self._pool = Pool.open(self.path)
        data = self._pool.read(self.ids[position])
        pixels = decode_resized(data, self.size, self.color) if self.size else decode(data, self.color)
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        return (self.transform(image) if self.transform else image), self.targets[position]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}


def dataset(
    split: str = "train",
    rev: str | None = None,
    root: str | Path = ".",
    transform: Callable[[torch.Tensor], Any] | None = None,
    color: Color = "rgb",
    size: int | None = None,
) -> ImageDataset:
    """The labelled, not excluded images of one split, sorted by id, from the snapshot of a revision (or workspace).

    Images of different sizes are squeezed to `size` × `size` px, by default at most USUAL, so that a batch is one
    tensor. A `transform` gets images of their stored size, unless `size` is given.
    """
    snapshot = api.snapshot(rev, root)
    samples = snapshot.samples
    kept = pc.and_(pc.equal(samples["split"], split), pc.invert(samples["excluded"]))
    wanted = samples.filter(kept)["id"].combine_chunks()
    rows = snapshot.single_labels.filter(pc.is_in(snapshot.single_labels["id"], value_set=wanted))
    ids, labels = rows["id"].to_pylist(), rows["label"].to_pylist()
    if size is None and transform is None:
        size = common_size(samples.filter(pc.is_in(samples["id"], value_set=rows["id"].combine_chunks())))
    return ImageDataset(api.pool(root).path, ids, labels, snapshot.categories, transform, color, size)


def common_size(samples: pa.Table) -> int | None:
    """Common size, px, of images of different sizes: the median of the longer sides, at most USUAL; otherwise None."""
    if len(samples.select(["width", "height"]).group_by(["width", "height"]).aggregate([])) <= 1:
        return None
    longer = pc.max_element_wise(samples["width"], samples["height"])
    return min(USUAL, int(pc.quantile(longer, interpolation="lower")[0].as_py()))
