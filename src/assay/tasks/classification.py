"""Image classification: one category an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from assay import plugins
from assay.data.files import read_json
from assay.errors import AssayError, MissingInput, ParamsError, in_a_line
from assay.inputs import Inputs, InputSpec, open_inputs, to_device
from assay.layout import Layout
from assay.models import ModelSpec
from assay.progress import Progress
from assay.training import deterministic, pick_device

EPS = float(np.finfo(np.float32).eps)
"""A class that was given no chance at all costs a log-loss of 15.9, as in scikit-learn; not infinity."""


@dataclass(frozen=True)
class Predictions:
    """(n, k) float32, in the order of the ids asked for and of `categories`."""

    categories: tuple[str, ...]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class LoadedModel:
    """A model folder, read: the module in evaluation mode and the content of model.json."""

    module: nn.Module
    about: dict[str, Any]

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(self.about["categories"])

    @property
    def inputs(self) -> InputSpec:
        return InputSpec(**self.about["inputs"])


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


def load_model(model_dir: Path) -> LoadedModel:
    """Read outputs/model, or a copy of it. MissingInput if it is not there, AssayError if it does not fit together."""
    about = read_json(model_dir / "model.json", made_by="train")
    weights = model_dir / "model.pt"
    if not weights.exists():
        raise MissingInput(f"{weights} is not there", hint="run `assay train` first, or `dvc pull`")
    spec = ModelSpec(
        classes=len(about["categories"]),
        image_size=about["inputs"]["image_size"],
        color=about["inputs"]["color"],
        embedding_dim=about["embedding_dim"],
        # weights to start from are not needed any more, and may be gone
        options=about["options"] | ({"weights": "none"} if "weights" in about["options"] else {}),
    )
    with torch.random.fork_rng():
        module = plugins.load("models", about["model"]).build(spec)
    try:
        module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # damaged files make torch raise anything
        raise AssayError(
            f"{weights} does not fit the model {about['model']}: {in_a_line(error)}",
            hint="the file is damaged (`dvc checkout`), or the code of the model has changed since (train again)",
        ) from None
    return LoadedModel(module.eval(), about)


def predict_ids(
    model_dir: Path, ids: Sequence[str], layout: Layout, batch: int, progress: Progress
) -> Predictions:
    """What a saved model says about images of the pool, in the order of `ids`."""
    model = load_model(model_dir)
    classes = len(model.categories)
    if not ids:
        return Predictions(model.categories, np.zeros((0, classes), np.float32))
    settings = model.about["train"]
    device = pick_device("cpu" if settings["device"] == "cpu" else "auto")
    inputs = open_inputs(model.inputs, ids, layout, progress)
    module = model.module.to(device).to(memory_format=torch.channels_last)
    with deterministic(settings["threads"]), progress.bar("predicting", len(ids)) as advance:
        probabilities = predict(module, _Counted(inputs, advance), batch, device)
    return Predictions(model.categories, probabilities)


class _Counted:
    """Inputs that move a progress bar."""

    def __init__(self, inputs: Inputs, advance: Any) -> None:
        self._inputs, self._advance = inputs, advance

    def __len__(self) -> int:
        return len(self._inputs)

    def batch(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        self._advance(len(rows))
        return self._inputs.batch(rows)
