"""Feature maps of images by a frozen body, computed once: quick learners train on them, not on pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assay.data.files import fresh_dir
from assay.data.images.placement import Placement
from assay.layout import Layout
from assay.models._lite0 import Body
from assay.progress import Progress, track
from assay.training.inputs import InputSpec, open_inputs, placement_of, to_device

BATCH = 4
STRIDES = (4, 8, 16, 32)
"""px, of the maps that are kept."""


@dataclass(frozen=True)
class FeatureMaps:
    """Of n images: feature maps {stride: (n, channels, h, w) float16}, and where the images are on their canvas."""

    maps: dict[int, NDArray[np.float16]]
    where: Placement

    def batch(self, rows: NDArray[np.int64]) -> dict[int, torch.Tensor]:
        return {stride: torch.from_numpy(one[rows].astype(np.float32)) for stride, one in self.maps.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Context with one thread of torch: the number of threads changes the rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def feature_maps(
    ids: Sequence[str], spec: InputSpec, folder: Path, layout: Layout, progress: Progress
) -> FeatureMaps:
    """Features of ImageNet's EfficientNet-Lite0, from the cache in `folder` where possible."""
    if not folder.exists():
        with fresh_dir(folder) as aside, one_thread():
            for stride, maps in _computed(ids, spec, layout, progress).items():
                np.save(aside / f"{stride}.npy", maps)
    where = placement_of(spec, ids, layout)
    assert where is not None
    return FeatureMaps(
        {stride: np.load(folder / f"{stride}.npy", mmap_mode="r") for stride in STRIDES}, where
    )


def _computed(
    ids: Sequence[str], spec: InputSpec, layout: Layout, progress: Progress
) -> dict[int, NDArray[np.float16]]:
    body, inputs = Body(pretrained=True).eval(), open_inputs(spec, ids, layout, progress)
    starts = range(0, len(ids), BATCH)
    found: dict[int, list[NDArray[np.float16]]] = {stride: [] for stride in STRIDES}
    for start in track(progress, starts, "features", len(starts), "batches"):
        rows = np.arange(start, min(start + BATCH, len(ids)))
        with torch.inference_mode():
            maps = body(to_device(inputs.batch(rows), torch.device("cpu")))
        for stride in STRIDES:
            found[stride].append(maps[stride].numpy().astype(np.float16))
    return {stride: np.concatenate(parts) for stride, parts in found.items()}
