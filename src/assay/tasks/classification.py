"""Image classification: one category an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from assay.errors import ParamsError
from assay.training.inputs import Inputs, to_device

EPS = float(np.finfo(np.float32).eps)
"""A class that was given no chance at all costs a log-loss of 15.9, as in scikit-learn; not infinity."""


def targets(labels: Sequence[str], categories: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of the labels, (n,). ParamsError names the labels that are no category."""
    number = {category: k for k, category in enumerate(categories)}
    if unknown := sorted(set(labels) - set(number)):
        raise ParamsError(
            f"labels outside the declared classes: {', '.join(map(repr, unknown[:10]))}",
            hint=f"curate.classes has: {', '.join(categories)}; add them there, or relabel",
        )
    return np.array([number[label] for label in labels], dtype=np.int64)


def class_weights(targets: NDArray[np.int64], classes: int, how: str) -> NDArray[np.float32] | None:
    """(classes,) n / (classes seen · images of the class) for `balanced`: every class weighs the same in the loss."""
    if how == "none":
        return None
    counts = np.bincount(targets, minlength=classes)
    seen = np.count_nonzero(counts)
    weights = np.zeros(classes, np.float32)
    np.divide(len(targets), seen * counts, out=weights, where=counts > 0)
    return weights


def loss(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None, smoothing: float
) -> torch.Tensor:
    """Mean cross-entropy, in float32 whatever the precision of the logits."""
    return F.cross_entropy(logits.float(), targets, weight=weights, label_smoothing=smoothing)


@torch.inference_mode()
def predict(model: nn.Module, inputs: Inputs, batch: int, device: torch.device) -> NDArray[np.float32]:
    """Probabilities, (n, k) float32. Leaves the model in evaluation mode."""
    model.eval()
    rows = np.arange(len(inputs))
    parts = [
        model(to_device(inputs.batch(rows[start : start + batch]), device)).float().softmax(1).cpu().numpy()
        for start in range(0, len(rows), batch)
    ]
    return np.concatenate(parts).astype(np.float32)


def losses(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """−log of the probability of the right class, one for each sample (n,)."""
    chance = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    result: NDArray[np.float64] = -np.log(np.clip(chance, EPS, 1.0))
    return result


def scores(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float]:
    """What is looked at after every epoch: the loss decides which one is kept."""
    right = probabilities.argmax(1) == targets
    return {"loss": float(losses(probabilities, targets).mean()), "accuracy": float(right.mean())}


def uncertainty(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 − margin between the two likeliest classes, (n,) (Scheffer et al. 2001)."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities), np.float32)
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    return (1 - (top[:, 1] - top[:, 0])).astype(np.float32)
