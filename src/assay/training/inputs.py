"""What a model is fed: rows of pixels or of embeddings, gathered a batch at a time from memory-mapped files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from assay import plugins
from assay.data.embeddings import ABOUT, Embeddings
from assay.data.files import read_json
from assay.data.images.decoded import DecodedCache
from assay.data.pool import Pool
from assay.layout import Layout
from assay.progress import Progress


class Inputs(Protocol):
    """Examples by row: uint8 (n, h, w, c) or float32 (n, d)."""

    def __len__(self) -> int: ...

    def batch(self, rows: NDArray[np.int64]) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Rows:
    """Some rows of an array that is, as a rule, memory-mapped."""

    array: NDArray[Any]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self.array[self.rows[rows]]


@dataclass(frozen=True)
class Encoded:
    """The embeddings of some images, computed when asked for."""

    encoder: Any
    images: Rows

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self.encoder.encode(self.images.batch(rows))
        return vectors


@dataclass(frozen=True)
class InputSpec:
    """What a model was, or will be, trained on; part of model.json."""

    kind: Literal["pixels", "embeddings"]
    image_size: int
    """px, each side; 0 of a model on embeddings."""
    color: Literal["rgb", "gray"]
    encoder: str | None = None
    encoder_options: dict[str, Any] = field(default_factory=dict)


def open_inputs(spec: InputSpec, ids: Sequence[str], layout: Layout, progress: Progress) -> Inputs:
    """The inputs of some images, in the order of their ids; decodes what was never decoded.

    A model that was trained on the embeddings of another encoder than today's still gets the ones it knows: they
    are computed for these images alone.
    """
    if spec.kind == "pixels":
        return _pixels(ids, spec.image_size, spec.color, layout, progress)
    stored = read_json(layout.embeddings / ABOUT, made_by="embed")
    if (stored["encoder"], stored["options"]) == (spec.encoder, spec.encoder_options):
        return Rows(Embeddings.open(layout.embeddings).at_hand(ids, layout.scratch), np.arange(len(ids)))
    encoder = plugins.load("encoders", str(spec.encoder)).load(spec.encoder_options, "auto")
    return Encoded(encoder, _pixels(ids, encoder.size, encoder.color, layout, progress))


def _pixels(
    ids: Sequence[str], size: int, color: Literal["rgb", "gray"], layout: Layout, progress: Progress
) -> Rows:
    cache = DecodedCache(layout.scratch / "decoded", size, color)
    rows = cache.rows(Pool.open(layout.pool), ids, progress)
    return Rows(np.asarray(cache.pixels), rows)


def to_device(batch: NDArray[Any], device: torch.device) -> torch.Tensor:
    """uint8 (n, h, w, c) -> float32 (n, c, h, w) in 0…1; float32 (n, d) as it is.

    The pixels stay where they are in memory, which is the order that torch calls channels_last.
    """
    tensor = torch.from_numpy(batch).to(device)
    return tensor if tensor.ndim == 2 else tensor.permute(0, 3, 1, 2).float().div_(255)


def outputs_of(model: nn.Module, inputs: Inputs, batch: int, device: torch.device) -> Iterator[torch.Tensor]:
    """What a model returns, float32, a batch at a time, at least one. Leaves the model in evaluation mode."""
    model.eval()
    rows = np.arange(len(inputs))
    for start in range(0, max(len(rows), 1), batch):
        with torch.inference_mode():
            made = model(to_device(inputs.batch(rows[start : start + batch]), device)).float()
        yield made
