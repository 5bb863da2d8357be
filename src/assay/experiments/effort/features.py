"""Feature maps of all images of the study, computed once: the quick learners train on them, not on pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from assay.data.files import fresh_dir
from assay.data.images.placement import Placement
from assay.data.pool import Pool
from assay.experiments.effort.study_data import StudyData, StudyImages
from assay.lineage.digests import canonical_digest, code_of
from assay.models._lite0 import Body
from assay.progress import Progress, track
from assay.training.build import canvas
from assay.training.inputs import InputSpec, open_inputs, placement_of, to_device

BATCH = 4
STRIDES = (4, 8, 16, 32)
"""px, of the maps that are kept."""
CODE = "assay.models._lite0"


@dataclass(frozen=True)
class FeatureMaps:
    """Feature maps {stride: (n, channels, h, w) float16} of n images, and their placement on the canvas."""

    maps: dict[int, NDArray[np.float16]]
    where: Placement

    def batch(self, rows: NDArray[np.int64]) -> dict[int, torch.Tensor]:
        return {stride: torch.from_numpy(one[rows].astype(np.float32)) for stride, one in self.maps.items()}


@dataclass(frozen=True)
class StudyFeatures:
    """Feature maps of the images to annotate, and of the test images."""

    pool: FeatureMaps
    test: FeatureMaps


@contextmanager
def one_thread() -> Iterator[None]:
    """Context with one thread of torch: the number of threads changes the rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def spec_of(data: StudyData, size: int) -> InputSpec:
    """Input of the network: images letterboxed on a canvas of the median shape."""
    shape = canvas(Pool.open(data.layout.pool).index, pa.chunked_array([pa.array(data.pool.ids)]), size)
    return InputSpec("pixels", size, "rgb", fit="letterbox", canvas=shape)


def feature_maps(data: StudyData, size: int, progress: Progress) -> StudyFeatures:
    """Features of ImageNet's EfficientNet-Lite0, from the cache in .assay/effort where possible."""
    spec = spec_of(data, size)
    said = [CODE, code_of(CODE), list(spec.shape), data.pool.ids, data.test.ids, torch.__version__]
    folder = data.layout.scratch / "effort" / "maps" / canonical_digest(said)[:32]
    if not folder.exists():
        _compute(data, spec, folder, progress)
    return StudyFeatures(*(_opened(data, images, spec, folder / name) for name, images in _named(data)))


def _named(data: StudyData) -> list[tuple[str, StudyImages]]:
    return [("pool", data.pool), ("test", data.test)]


def _opened(data: StudyData, images: StudyImages, spec: InputSpec, folder: Path) -> FeatureMaps:
    where = placement_of(spec, images.ids, data.layout)
    assert where is not None
    return FeatureMaps(
        {stride: np.load(folder / f"{stride}.npy", mmap_mode="r") for stride in STRIDES}, where
    )


def _compute(data: StudyData, spec: InputSpec, folder: Path, progress: Progress) -> None:
    body = Body(pretrained=True).eval()
    with fresh_dir(folder) as aside, one_thread():
        for name, images in _named(data):
            (aside / name).mkdir()
            for stride, maps in _maps(body, data, images, spec, progress).items():
                np.save(aside / name / f"{stride}.npy", maps)


def _maps(
    body: Body, data: StudyData, images: StudyImages, spec: InputSpec, progress: Progress
) -> dict[int, NDArray[np.float16]]:
    inputs = open_inputs(spec, images.ids, data.layout, progress)
    starts = range(0, len(images), BATCH)
    found: dict[int, list[NDArray[np.float16]]] = {stride: [] for stride in STRIDES}
    for start in track(progress, starts, "features", len(starts), "batches"):
        rows = np.arange(start, min(start + BATCH, len(images)))
        with torch.inference_mode():
            maps = body(to_device(inputs.batch(rows), torch.device("cpu")))
        for stride in STRIDES:
            found[stride].append(maps[stride].numpy().astype(np.float16))
    return {stride: np.concatenate(parts) for stride, parts in found.items()}
