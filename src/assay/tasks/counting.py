"""Counting: how many objects an image shows.

A label is the number of boxes or outlines on an image, or one tag that is a whole number, as people type it into a
table. A model returns the logarithm of the expected count, and learns by the likelihood of a Poisson distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.errors import ParamsError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from assay.data.images.placement import Placement
    from assay.params import Train

SAYS_CLASSES = False
MOST = 12.0
"""Most that a logarithm may be: a model in its first steps must not overflow."""


def label(annotations: Sequence[Annotation]) -> str | None:
    """The number of objects; None for a tag that is no number."""
    if len(annotations) == 1 and annotations[0].bbox is None and annotations[0].segmentation is None:
        text = annotations[0].category
        return text if text.isascii() and text.isdigit() else None
    if any(one.bbox is None and one.segmentation is None for one in annotations):
        return None
    return str(len(annotations))


def words(label: str) -> str:
    """The number itself."""
    return label


def classes(label: str) -> tuple[str]:
    """Images are counted by their number of objects."""
    return (label,)


def outputs(categories: Sequence[str]) -> int:
    """One number, whatever the categories."""
    return 1


def targets(labels: Sequence[str], categories: Sequence[str]) -> NDArray[np.float32]:
    """Counts, (n,). ParamsError for a label that is none."""
    if wrong := sorted({text for text in labels if not text.isdigit()}):
        raise ParamsError(
            f"labels that are no counts: {', '.join(map(repr, wrong[:10]))}",
            hint="label images with boxes, or with one whole number; or `task: classification`",
        )
    return np.array([int(text) for text in labels], dtype=np.float32)


def batch(
    targets: NDArray[np.float32], rows: NDArray[np.int64], where: Placement | None, device: torch.device
) -> torch.Tensor:
    """Counts, (b,)."""
    import torch

    return torch.from_numpy(targets[rows]).to(device)


def objective(
    targets: NDArray[np.float32], settings: Train
) -> Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]:
    """Mean negative log-likelihood of Poisson counts, without the part that no weight changes."""
    import torch.nn.functional as F

    def loss(model: nn.Module, images: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return F.poisson_nll_loss(model(images).float()[:, 0].clamp(max=MOST), wanted)

    return loss


def served(outputs: torch.Tensor) -> torch.Tensor:
    """Expected counts, (n, 1), from their logarithms."""
    return outputs.float().clamp(max=MOST).exp()


def predict(outputs: Iterable[torch.Tensor], where: Placement | None = None) -> NDArray[np.float32]:
    """Expected counts, (n,) float32, from their logarithms (b, 1) of each batch."""
    parts = [served(made)[:, 0].cpu().numpy() for made in outputs]
    return np.concatenate(parts).astype(np.float32)


def scores(counts: NDArray[np.float32], targets: NDArray[np.float32]) -> dict[str, float]:
    """The Poisson loss decides which epoch is kept; the mean absolute error is for information."""
    rates = np.maximum(counts.astype(np.float64), 1e-9)
    loss = float((rates - targets * np.log(rates)).mean())
    return {"loss": loss, "mae": float(np.abs(rates - targets).mean())}


def doubt(said: pa.Table) -> NDArray[np.float32]:
    """How far `count` is from a whole number, (n,): 1 half way between two."""
    counts = np.asarray(said["count"], np.float32)
    doubts: NDArray[np.float32] = (2 * np.abs(counts - np.round(counts))).astype(np.float32)
    return doubts


def to_table(counts: NDArray[np.float32], categories: Sequence[str]) -> pa.Table:
    """`predicted`, the rounded count, and `count`."""
    words = pa.array([str(round(count)) for count in counts.tolist()], pa.string())
    return pa.table([words, pa.array(counts)], names=["predicted", "count"])
