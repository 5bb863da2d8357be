"""Inputs of a model: pixels or embeddings, read batch by batch from memory-mapped files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import nn

from assay import plugins
from assay.data.embeddings import ABOUT, Embeddings
from assay.data.files import read_json
from assay.data.images.decoded import DecodedCache
from assay.data.images.placement import Canvas, Fit, Placement, place
from assay.data.matching import whole
from assay.data.pool import Pool
from assay.layout import Layout
from assay.progress import Progress


class Inputs(Protocol):
    """Examples by row: uint8 (n, h, w, c) or float32 (n, d)."""

    def __len__(self) -> int: ...

    def batch(self, rows: NDArray[np.int64]) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Rows:
    """Rows of an array, usually memory-mapped."""

    array: NDArray[Any]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self.array[self.rows[rows]]


@dataclass(frozen=True)
class Encoded:
    """The embeddings of some images, computed on request."""

    encoder: Any
    images: Rows

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self.encoder.encode(self.images.batch(rows))
        return vectors


@dataclass(frozen=True)
class InputSpec:
    """Description of a model's inputs; part of model.json."""

    kind: Literal["pixels", "embeddings"]
    image_size: int
    """px, the longer side; 0 for a model on embeddings."""
    color: Literal["rgb", "gray"]
    encoder: str | None = None
    encoder_options: dict[str, Any] = field(default_factory=dict)
    fit: Fit = "squeeze"
    canvas: Sequence[int] | None = None
    """Height and width of the images, px; None: both `image_size`."""

    @property
    def shape(self) -> Canvas:
        """Height and width of the images."""
        height, width = self.canvas or (self.image_size, self.image_size)
        return height, width


def open_inputs(spec: InputSpec, ids: Sequence[str], layout: Layout, progress: Progress) -> Inputs:
    """The inputs of images, in the order of `ids`; images not in the decoded cache are decoded.

    For a model trained on another encoder than the current one, the embeddings of these images are computed with the
    model's encoder.
    """
    if spec.kind == "pixels":
        return _pixels(ids, spec.shape, spec.color, spec.fit, layout, progress)
    stored = read_json(layout.embeddings / ABOUT, made_by="embed")
    if (stored["encoder"], stored["options"]) == (spec.encoder, spec.encoder_options):
        return Rows(Embeddings.open(layout.embeddings).at_hand(ids, layout.scratch), np.arange(len(ids)))
    encoder = plugins.load("encoders", str(spec.encoder)).load(spec.encoder_options, "auto")
    square = (encoder.size, encoder.size)
    return Encoded(encoder, _pixels(ids, square, encoder.color, "squeeze", layout, progress))


def placement_of(spec: InputSpec, ids: Sequence[str], layout: Layout) -> Placement | None:
    """Placement of images of the pool on the inputs of a model; None for a model on embeddings."""
    if spec.kind != "pixels":
        return None
    index = Pool.open(layout.pool).index
    rows = pc.index_in(pa.array(ids, pa.string()), value_set=whole(index["id"]))
    widths, heights = (index[side].take(rows).to_numpy() for side in ("width", "height"))
    return place(widths, heights, spec.shape, spec.fit)


def _pixels(
    ids: Sequence[str],
    canvas: Canvas,
    color: Literal["rgb", "gray"],
    fit: Fit,
    layout: Layout,
    progress: Progress,
) -> Rows:
    cache = DecodedCache(layout.scratch / "decoded", canvas, color, fit)
    rows = cache.rows(Pool.open(layout.pool), ids, progress)
    return Rows(np.asarray(cache.pixels), rows)


def to_device(batch: NDArray[Any], device: torch.device) -> torch.Tensor:
    """uint8 (n, h, w, c) -> float32 (n, c, h, w) in 0…1; float32 (n, d) unchanged.

    The order of pixels in memory does not change: it is torch's channels_last.
    """
    tensor = torch.from_numpy(batch).to(device)
    return tensor if tensor.ndim == 2 else tensor.permute(0, 3, 1, 2).float().div_(255)


def outputs_of(model: nn.Module, inputs: Inputs, batch: int, device: torch.device) -> Iterator[Any]:
    """The outputs of a model, batch by batch, at least one batch. Leaves the model in evaluation mode."""
    model.eval()
    rows = np.arange(len(inputs))
    for start in range(0, max(len(rows), 1), batch):
        with torch.inference_mode():
            made = model(to_device(inputs.batch(rows[start : start + batch]), device))
        yield made
