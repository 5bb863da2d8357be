"""Several tags an image: which of the classes it shows.

A label is the classes as canonical JSON, sorted, each once; `[]` where somebody looked and found none of them, which is
not an image that nobody has labelled. Objects with a box or an outline count as tags of their class. A model returns a
logit for each class, and each is a decision of its own: the probabilities of an image do not sum to 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.metrics.multilabel import Tagged, read_probabilities, shown_at
from assay.tasks import place_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from assay.data.images.placement import Placement
    from assay.params import Train

SAYS_CLASSES = False
SEPARATOR = ";"
Floats = NDArray[np.float32]


def label(annotations: Sequence[Annotation]) -> str:
    """The classes that the image shows, as canonical JSON."""
    return json.dumps(
        sorted({one.category for one in annotations}), separators=(",", ":"), ensure_ascii=False
    )


def words(label: str) -> str:
    """`cat, dog`; `nothing` for none."""
    return in_words(json.loads(label))


def in_words(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def classes(label: str) -> list[str]:
    """The classes of the label."""
    names: list[str] = json.loads(label)
    return names


def outputs(categories: Sequence[str]) -> int:
    """A logit for each class."""
    return len(categories)


def targets(labels: Sequence[str], categories: Sequence[str]) -> NDArray[np.bool_]:
    """(n, k) whether each image shows each class. ParamsError names the classes that are no category."""
    images = [json.loads(label) for label in labels]
    place = place_of((name for image in images for name in image), categories)
    shown = np.zeros((len(labels), len(categories)), bool)
    for row, image in zip(shown, images, strict=True):
        row[[place[name] for name in image]] = True
    return shown


def batch(
    targets: NDArray[np.bool_], rows: NDArray[np.int64], where: Placement | None, device: torch.device
) -> torch.Tensor:
    """(b, k) floats, 1 where a class is shown."""
    import torch

    return torch.from_numpy(targets[rows]).float().to(device)


def objective(
    targets: NDArray[np.bool_], settings: Train
) -> Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]:
    """Mean binary cross-entropy of all decisions, in float32; label_smoothing moves 0 and 1 towards one half."""
    import torch
    import torch.nn.functional as F

    smoothing = settings.label_smoothing

    @cache
    def weights(device: torch.device) -> torch.Tensor | None:
        found = class_weights(targets, settings.class_weights)
        return None if found is None else torch.from_numpy(found).to(device)

    def loss(model: nn.Module, images: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        logits = model(images).float()
        aim = wanted * (1 - smoothing) + smoothing / 2
        weight = weights(logits.device)
        each = None if weight is None else torch.where(wanted > 0, weight[1], weight[0])
        return F.binary_cross_entropy_with_logits(logits, aim, weight=each)

    return loss


def class_weights(targets: NDArray[np.bool_], how: str) -> Floats | None:
    """(2, k) weights of the images without and with a class for `balanced`: both weigh the same, n/2 in all."""
    if how == "none":
        return None
    counts = np.stack([(~targets).sum(0), targets.sum(0)])
    weights = np.zeros(counts.shape, np.float32)
    np.divide(len(targets), 2 * counts, out=weights, where=counts > 0)
    return weights


def served(outputs: torch.Tensor) -> torch.Tensor:
    """Probabilities, (n, k)."""
    return outputs.float().sigmoid()


def predict(outputs: Iterable[torch.Tensor], where: Placement | None = None) -> Floats:
    """Probabilities, (n, k) float32, from logits (b, k) of each batch."""
    return np.concatenate([served(logits).cpu().numpy() for logits in outputs]).astype(np.float32)


def scores(probabilities: Floats, targets: NDArray[np.bool_]) -> dict[str, float]:
    """Scores after each epoch; the epoch with the lowest loss is kept."""
    values = Tagged(probabilities, targets).values()
    return {"loss": float(values["log_loss"][0]), "micro_f1": float(np.nan_to_num(values["micro_f1"][0]))}


def to_table(probabilities: Floats, categories: Sequence[str]) -> pa.Table:
    """`predicted`, in words, and `tag_probabilities`, (n, k): see `assay.metrics.multilabel`."""
    n, k = probabilities.shape
    said = [
        in_words([categories[c] for c in np.flatnonzero(row).tolist()]) for row in shown_at(probabilities)
    ]
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * k)
    lists = pa.ListArray.from_arrays(offsets, pa.array(probabilities.ravel(), pa.float32()))
    return pa.table([pa.array(said, pa.string()), lists], names=["predicted", "tag_probabilities"])


def doubt(table: pa.Table) -> Floats:
    """(n,) mean over the classes of the entropy of each decision, in bits.

    The mean, not the highest (K. Brinker: On Active Learning in Multi-label Classification. 2006), which is near 1 for
    every image where there are many classes.
    """
    p = read_probabilities(table).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -np.nan_to_num(p * np.log2(p)) - np.nan_to_num((1 - p) * np.log2(1 - p))
    return np.clip(bits.mean(1) if bits.size else np.zeros(len(bits)), 0, 1).astype(np.float32)
