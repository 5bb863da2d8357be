"""A snapshot as a torch data set, for other people's training code. Our own reads the decoded cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import torch
from torch.utils.data import Dataset

from assay import api
from assay.data.images import Color, decode
from assay.data.pool import Pool


class ImageDataset(Dataset[tuple[Any, int]]):
    """(image, class index) by position; the image is a uint8 tensor (3, h, w), or what `transform` makes of it.

    Safe to hand to a DataLoader with workers: each opens its own files.
    """

    def __init__(
        self,
        path: Path,
        ids: Sequence[str],
        labels: Sequence[str],
        classes: Sequence[str],
        transform: Callable[[torch.Tensor], Any] | None = None,
        color: Color = "rgb",
    ) -> None:
        self.path, self.ids, self.classes = path, list(ids), list(classes)
        self.targets = [self.classes.index(label) for label in labels]
        self.transform, self.color = transform, color
        self._pool: Pool | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        if self._pool is None:
            self._pool = Pool.open(self.path)
        image = torch.from_numpy(decode(self._pool.read(self.ids[position]), self.color)).permute(2, 0, 1)
        return (self.transform(image) if self.transform else image), self.targets[position]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}


def dataset(
    split: str = "train",
    rev: str | None = None,
    root: str | Path = ".",
    transform: Callable[[torch.Tensor], Any] | None = None,
    color: Color = "rgb",
) -> ImageDataset:
    """The labelled, not excluded images of one split of a revision's snapshot (or the workspace's), sorted by id."""
    snapshot = api.snapshot(rev, root)
    samples = snapshot.samples
    kept = pc.and_(pc.equal(samples["split"], split), pc.invert(samples["excluded"]))
    wanted = samples.filter(kept)["id"].combine_chunks()
    rows = snapshot.single_labels.filter(pc.is_in(snapshot.single_labels["id"], value_set=wanted))
    ids, labels = rows["id"].to_pylist(), rows["label"].to_pylist()
    return ImageDataset(api.pool(root).path, ids, labels, snapshot.categories, transform, color)
