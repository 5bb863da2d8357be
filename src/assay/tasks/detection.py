"""Object detection: boxes with a class.

A label is the boxes of an image as canonical JSON, `[]` where somebody looked and found nothing; what is only tagged is
not labelled. A model has

    loss(images, targets) -> scalar    `targets`: for each image boxes (m, 4), labels (m,) and ignore (c, 4), regions
                                       that count neither way
    forward(images) -> list            for each image boxes (m, 4), scores (m,) in 0…1 and labels (m,), best first,
                                       without those that overlap a better one

Its boxes are corners in px of the images that it sees.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.data.annotations import Annotation, annotations_json
from assay.errors import ParamsError
from assay.metrics.detected import Detected
from assay.metrics.objects import Detections, Truth, offsets_of, read_detections
from assay.tasks import place_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from assay.data.images.placement import Placement
    from assay.params import Train

SAYS_CLASSES = False
UNUSED = ("label_smoothing", "class_weights")
VISIBLE = 0.25
"""Share of a box that augmentation has to leave in view for it to be learnt; with less it counts neither way."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """The objects of one image, in pixels of the upright image."""

    corners: Floats
    """(m, 4) x₁, y₁, x₂, y₂"""
    classes: NDArray[np.int64]
    """(m,)"""
    crowd: NDArray[np.bool_]
    """(m,) regions that count neither way."""


def label(annotations: Sequence[Annotation]) -> str | None:
    """The boxes, those of outlines too, as canonical JSON; None where one annotation is of the whole image."""
    if any(one.is_tag for one in annotations):
        return None
    boxes = [Annotation(category=one.category, bbox=one.box, iscrowd=one.iscrowd) for one in annotations]
    return annotations_json(sorted(boxes, key=lambda one: (one.category, one.bbox, one.iscrowd)))


def words(label: str) -> str:
    """`3 RBC, 1 WBC`"""
    names = [one["category"] for one in json.loads(label)]
    there = sorted(set(names))
    return in_words([there.index(name) for name in names], there)


def in_words(classes: Sequence[int], categories: Sequence[str]) -> str:
    """`3 RBC, 1 WBC`: how many of each class, in the order of the classes; `nothing` for none."""
    counts = Counter(classes)
    return ", ".join(f"{counts[k]} {name}" for k, name in enumerate(categories) if counts[k]) or "nothing"


def classes(label: str) -> list[str]:
    """The classes that the image shows, each once."""
    return sorted({one["category"] for one in json.loads(label)})


def outputs(categories: Sequence[str]) -> int:
    """A score for each class."""
    return len(categories)


def targets(labels: Sequence[str], categories: Sequence[str]) -> list[Boxes]:
    """The objects of each image. ParamsError names the classes that are no category."""
    images = [json.loads(label) for label in labels]
    place = place_of((one["category"] for image in images for one in image), categories)
    return [_boxes(image, place) for image in images]


def _boxes(image: Sequence[dict[str, Any]], place: dict[str, int]) -> Boxes:
    x, y, w, h = np.array([one["bbox"] for one in image], np.float64).reshape(-1, 4).T
    numbers = np.array([place[one["category"]] for one in image], np.int64)
    crowd = np.array([one.get("iscrowd", False) for one in image], bool)
    return Boxes(np.stack([x, y, x + w, y + h], 1), numbers, crowd)


def batch(
    targets: Sequence[Boxes], rows: NDArray[np.int64], where: Placement, device: torch.device
) -> list[dict[str, torch.Tensor]]:
    """The objects in px of the images that the model sees, clipped at the borders."""
    return [_moved(targets[row], where, k, device) for k, row in enumerate(rows.tolist())]


def _moved(there: Boxes, where: Placement, image: int, device: torch.device) -> dict[str, torch.Tensor]:
    import torch

    whole = where.boxes(image, there.corners)
    height, width = where.canvas
    cut = np.clip(whole, 0, [width, height, width, height])
    share = _areas(cut) / np.maximum(_areas(whole), 1e-9)
    learnt = ~there.crowd & (share >= VISIBLE)
    seen = (share > 0) & ~learnt
    parts = {
        "boxes": cut[learnt].astype(np.float32),
        "labels": there.classes[learnt],
        "ignore": cut[seen].astype(np.float32),
    }
    return {name: torch.from_numpy(part).to(device) for name, part in parts.items()}


def _areas(corners: Floats) -> Floats:
    areas: Floats = np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0), axis=1)
    return areas


def objective(
    targets: Sequence[Boxes], settings: Train
) -> Callable[[nn.Module, torch.Tensor, Any], torch.Tensor]:
    """The model's own loss. ParamsError for settings that it cannot use."""
    if settings.label_smoothing or settings.class_weights != "none":
        raise ParamsError(
            "train.label_smoothing and train.class_weights have no meaning for detection",
            hint="label_smoothing: 0.0, class_weights: none",
        )

    def loss(model: nn.Module, images: torch.Tensor, wanted: Any) -> torch.Tensor:
        scalar: torch.Tensor = model.loss(images, wanted)  # type: ignore[operator]
        return scalar

    return loss


def served(outputs: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """The objects of one image, best first: (m, 6) corners in px of the image, score, class; then cells of a mask."""
    import torch

    (found,) = outputs
    columns = [found["boxes"], found["scores"][:, None], found["labels"][:, None]]
    masks = [found["masks"].flatten(1)] if "masks" in found else []
    return torch.cat([part.float() for part in (*columns, *masks)], 1)


def predict(outputs: Iterable[list[dict[str, torch.Tensor]]], where: Placement) -> Detections:
    """The objects found on each image, best first, in pixels of the upright image."""
    found = [
        {name: part.float().cpu().numpy() for name, part in one.items()} for made in outputs for one in made
    ]
    back = where.back()
    corners = [where.cut(k, back.boxes(k, one["boxes"].astype(np.float64))) for k, one in enumerate(found)]
    # as predictions.parquet has them
    boxes = _sides(_joined(corners, 4)).astype(np.float32).astype(np.float64)
    return Detections(
        offsets_of([len(one["scores"]) for one in found]),
        _joined([one["labels"] for one in found]).astype(np.int64),
        boxes,
        boxes[:, 2] * boxes[:, 3],
        scores=_joined([one["scores"] for one in found]),
    )


def _joined(parts: Sequence[NDArray[Any]], *shape: int) -> Floats:
    """Parts (m, …) one after the other; (0, …) for none."""
    return np.concatenate([np.zeros((0, *shape)), *parts])


def _sides(corners: Floats) -> Floats:
    """(m, 4) x₁, y₁, x₂, y₂ as x, y, width, height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def scores(said: Detections, targets: Sequence[Boxes]) -> dict[str, float]:
    """`loss` is 1 − AP: by its own loss each detector would keep an epoch by another measure."""
    truth = _truth(targets).by_class()
    classes = 1 + int(max(said.classes.max(initial=0), truth.classes.max(initial=0)))
    values = Detected(truth, said.best(truth.most), classes).values()
    ap, ap50 = (float(np.nan_to_num(values[name][0])) for name in ("ap", "ap50"))
    return {"loss": 1 - ap, "ap50": ap50}


def _truth(targets: Sequence[Boxes]) -> Truth:
    boxes = _sides(np.concatenate([one.corners for one in targets]))
    return Truth(
        offsets_of([len(one.classes) for one in targets]),
        np.concatenate([one.classes for one in targets]),
        boxes,
        boxes[:, 2] * boxes[:, 3],
        crowd=np.concatenate([one.crowd for one in targets]),
    )


def to_table(said: Detections, categories: Sequence[str]) -> pa.Table:
    """`predicted` in words, `boxes`, `scores` and `classes`: see `assay.metrics.detection`."""
    scores = said.scores.astype(np.float32)
    shown = [
        in_words(said.classes[a : a + best_size(scores[a:b])[0]].tolist(), categories)
        for a, b in pairwise(said.offsets.tolist())
    ]
    boxes = pa.FixedSizeListArray.from_arrays(pa.array(said.boxes.astype(np.float32).ravel()), 4)
    parts = (boxes, pa.array(scores), pa.array(said.classes.astype(np.int32)))
    offsets = pa.array(said.offsets, pa.int32())
    lists = [pa.ListArray.from_arrays(offsets, part) for part in parts]
    names = ["predicted", "boxes", "scores", "classes"]
    return pa.table([pa.array(shown, pa.string()), *lists], names=names)


def doubt(said: pa.Table) -> NDArray[np.float32]:
    """(n,) 1 − the F1 that the model expects of itself on each image: a crowded image is not doubted for its size."""
    lists = said["scores"].combine_chunks()
    scores = np.asarray(lists.values, np.float32)
    each = (scores[a:b] for a, b in pairwise(lists.offsets.to_numpy()))
    return np.array([1 - best_size(np.sort(one)[::-1])[1] for one in each], np.float32)


def objects(said: pa.Table, classes: int) -> Detections:
    """The detections of each image."""
    return read_detections(said, np.arange(classes))


def best_size(scores: NDArray[np.float32]) -> tuple[int, float]:
    """How many of the objects, best first, make the highest expected F1, and that F1; scores taken as probabilities.

    After D. D. Lewis: Evaluating and Optimizing Autonomous Text Classification Systems. SIGIR 1995. With m shown and
    S of all scores E[F1] ≈ 2 Σₘ s / (m + S); with none shown it is the probability that there is none, Π (1 − s).
    """
    s = scores.astype(np.float64)
    each = 2 * np.cumsum(s) / (np.arange(1, len(s) + 1) + s.sum())
    expected = np.concatenate([[np.prod(1 - s)], each])
    return int(expected.argmax()), float(expected.max())
