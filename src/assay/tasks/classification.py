"""Image classification: one category an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.snapshot import one_category
from assay.tasks import place_of, probabilities_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from assay.data.images.placement import Placement
    from assay.params import Train

SAYS_CLASSES = True
EPS = float(np.finfo(np.float32).eps)
"""Least probability, as in scikit-learn: a right class with probability 0 costs a log-loss of 15.9, not infinity."""
label = one_category


def words(label: str) -> str:
    """A class is its own name."""
    return label


def classes(label: str) -> tuple[str]:
    """The class itself."""
    return (label,)


def outputs(categories: Sequence[str]) -> int:
    """A logit for each class."""
    return len(categories)


def targets(labels: Sequence[str], categories: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of the labels, (n,). ParamsError names the labels that are no category."""
    number = place_of(labels, categories)
    return np.array([number[label] for label in labels], dtype=np.int64)


def batch(
    targets: NDArray[np.int64], rows: NDArray[np.int64], where: Placement | None, device: torch.device
) -> torch.Tensor:
    """Numbers of the classes, (b,)."""
    import torch

    return torch.from_numpy(targets[rows]).to(device)


def objective(
    targets: NDArray[np.int64], settings: Train
) -> Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]:
    """Mean cross-entropy, in float32 whatever the precision of the logits; classes weighed as settings say."""
    import torch
    import torch.nn.functional as F

    @cache
    def weights(classes: int, device: torch.device) -> torch.Tensor | None:
        found = class_weights(targets, classes, settings.class_weights)
        return None if found is None else torch.from_numpy(found).to(device)

    def loss(model: nn.Module, images: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        logits = model(images)
        weight = weights(logits.shape[1], logits.device)
        return F.cross_entropy(
            logits.float(), wanted, weight=weight, label_smoothing=settings.label_smoothing
        )

    return loss


def class_weights(targets: NDArray[np.int64], classes: int, how: str) -> NDArray[np.float32] | None:
    """(classes,) n / (classes seen · images of the class) for `balanced`: every class weighs the same in the loss."""
    if how == "none":
        return None
    counts = np.bincount(targets, minlength=classes)
    seen = np.count_nonzero(counts)
    weights = np.zeros(classes, np.float32)
    np.divide(len(targets), seen * counts, out=weights, where=counts > 0)
    return weights


def served(outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities, (n, k)."""
    return outputs.float().softmax(1)


def predict(outputs: Iterable[torch.Tensor], where: Placement | None = None) -> NDArray[np.float32]:
    """Probabilities, (n, k) float32, from logits (b, k) of each batch."""
    return np.concatenate([served(logits).cpu().numpy() for logits in outputs]).astype(np.float32)


def losses(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) −log of the probability of the right class."""
    chance = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    result: NDArray[np.float64] = -np.log(np.clip(chance, EPS, 1.0))
    return result


def scores(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float]:
    """Scores after each epoch; the epoch with the lowest loss is kept."""
    right = probabilities.argmax(1) == targets
    return {"loss": float(losses(probabilities, targets).mean()), "accuracy": float(right.mean())}


def doubt(said: pa.Table) -> NDArray[np.float32]:
    """(n,) 1 − margin of `probabilities`."""
    return doubts(probabilities_of(said))


def doubts(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 − margin between the two likeliest classes, (n,) (Scheffer et al. 2001)."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities), np.float32)
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    return (1 - (top[:, 1] - top[:, 0])).astype(np.float32)


def to_table(probabilities: NDArray[np.float32], categories: Sequence[str]) -> pa.Table:
    """`predicted`, `confidence` and `probabilities`, (n, k), of each image."""
    n, k = probabilities.shape
    best, highest = probabilities.argmax(1), probabilities.max(1)
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(n + 1, dtype=np.int32) * k), pa.array(probabilities.ravel(), pa.float32())
    )
    predicted = pa.array(np.array(categories, dtype=object)[best], pa.string())
    return pa.table([predicted, pa.array(highest), lists], names=["predicted", "confidence", "probabilities"])
