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
from assay.metrics.detection import in_words
from assay.metrics.objects import Detections, Truth, offsets_of
from assay.tasks import place_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from assay.data.images.placement import Placement
    from assay.params import Train

SAYS_CLASSES = False
VISIBLE = 0.25
"""Share of a box that augmentation has to leave in view for it to be learnt; with less it counts neither way."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """The objects of one image, or those found there, in pixels of the upright image."""

    corners: Floats
    """(m, 4) x₁, y₁, x₂, y₂"""
    classes: NDArray[np.int64]
    """(m,)"""
    crowd: NDArray[np.bool_]
    """(m,) regions that count neither way."""


@dataclass(frozen=True)
class Found:
    """The objects that a model finds on one image, best first."""

    boxes: NDArray[np.float32]
    """(m, 4) x, y, width, height"""
    scores: NDArray[np.float32]
    """(m,)"""
    classes: NDArray[np.int64]
    """(m,)"""


def label(annotations: Sequence[Annotation]) -> str | None:
    """The boxes, those of outlines too, as canonical JSON; None where one annotation is of the whole image."""
    if any(one.is_tag for one in annotations):
        return None
    boxes = [Annotation(category=one.category, bbox=one.box, iscrowd=one.iscrowd) for one in annotations]
    return annotations_json(sorted(boxes, key=lambda one: (one.category, one.bbox)))


def words(label: str) -> str:
    """`3 RBC, 1 WBC`"""
    names = [one["category"] for one in json.loads(label)]
    there = sorted(set(names))
    return in_words([there.index(name) for name in names], there)


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
    """Where the objects are on the images that the model sees, cut at their borders."""
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
    """The model's own loss. ParamsError for what it has no use for."""
    if settings.label_smoothing or settings.class_weights != "none":
        raise ParamsError(
            "train.label_smoothing and train.class_weights have no meaning for detection",
            hint="label_smoothing: 0.0, class_weights: none",
        )

    def loss(model: nn.Module, images: torch.Tensor, wanted: Any) -> torch.Tensor:
        scalar: torch.Tensor = model.loss(images, wanted)  # type: ignore[operator]
        return scalar

    return loss


def predict(outputs: Iterable[list[dict[str, torch.Tensor]]], where: Placement) -> list[Found]:
    """What is found on each image, in its own pixels."""
    back = where.back()
    said: list[Found] = []
    for made in outputs:
        for one in made:
            parts = {name: part.float().cpu().numpy() for name, part in one.items()}
            corners = where.cut(len(said), back.boxes(len(said), parts["boxes"].astype(np.float64)))
            boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).astype(np.float32)
            said.append(Found(boxes, parts["scores"], parts["labels"].astype(np.int64)))
    return said


def scores(said: Sequence[Found], targets: Sequence[Boxes]) -> dict[str, float]:
    """`loss` is 1 − AP: with a loss of its own each detector would be kept by another measure."""
    truth = _truth(targets).by_class()
    judged = Detected(truth, _found(said).best(truth.most), ("",) * len(said), _number(said, targets))
    values = judged.values()
    ap, ap50 = (float(np.nan_to_num(values[name][0])) for name in ("ap", "ap50"))
    return {"loss": 1 - ap, "ap50": ap50}


def _number(said: Sequence[Found], targets: Sequence[Boxes]) -> int:
    numbers = [*(one.classes for one in said), *(one.classes for one in targets)]
    return 1 + max(int(one.max(initial=0)) for one in numbers)


def _truth(targets: Sequence[Boxes]) -> Truth:
    corners = np.concatenate([one.corners for one in targets])
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    numbers, crowd = (
        np.concatenate([getattr(one, name) for one in targets]) for name in ("classes", "crowd")
    )
    return Truth(
        offsets_of([len(one.classes) for one in targets]), numbers, boxes, boxes[:, 2] * boxes[:, 3], crowd
    )


def _found(said: Sequence[Found]) -> Detections:
    boxes, numbers, scores = (
        np.concatenate([getattr(one, name) for one in said]) for name in ("boxes", "classes", "scores")
    )
    boxes = boxes.astype(np.float64)
    areas = boxes[:, 2] * boxes[:, 3]
    return Detections(
        offsets_of([len(one.scores) for one in said]), numbers, boxes, areas, scores.astype(np.float64)
    )


def to_table(said: Sequence[Found], categories: Sequence[str]) -> pa.Table:
    """`predicted` in words, `boxes`, `scores` and `classes`: see `assay.metrics.detection`."""
    shown = [in_words(one.classes[: best_size(one.scores)[0]].tolist(), categories) for one in said]
    lists = pa.array(offsets_of([len(one.scores) for one in said]), pa.int32())
    flat = {
        name: np.concatenate([np.zeros((0, *shape), np.float32), *(getattr(one, name) for one in said)])
        for name, shape in (("boxes", (4,)), ("scores", ()), ("classes", ()))
    }
    boxes = pa.FixedSizeListArray.from_arrays(pa.array(flat["boxes"].astype(np.float32).ravel()), 4)
    scores = pa.array(flat["scores"].astype(np.float32))
    numbers = pa.array(flat["classes"].astype(np.int32))
    columns = [pa.ListArray.from_arrays(lists, part) for part in (boxes, scores, numbers)]
    return pa.table(
        [pa.array(shown, pa.string()), *columns], names=["predicted", "boxes", "scores", "classes"]
    )


def doubt(said: pa.Table) -> NDArray[np.float32]:
    """(n,) 1 − the F1 that the model expects of itself on each image: a crowded image is not doubted for its size."""
    lists = said["scores"].combine_chunks()
    scores = np.asarray(lists.values, np.float32)
    each = (scores[a:b] for a, b in pairwise(lists.offsets.to_numpy()))
    return np.array([1 - best_size(np.sort(one)[::-1])[1] for one in each], np.float32)


def best_size(scores: NDArray[np.float32]) -> tuple[int, float]:
    """How many of the objects, best first, make the highest expected F1, and that F1; scores taken as probabilities.

    After D. D. Lewis: Evaluating and Optimizing Autonomous Text Classification Systems. SIGIR 1995. With m shown and
    S of all scores E[F1] ≈ 2 Σₘ s / (m + S); with none shown it is the probability that there is none, Π (1 − s).
    """
    s = scores.astype(np.float64)
    each = 2 * np.cumsum(s) / (np.arange(1, len(s) + 1) + s.sum())
    expected = np.concatenate([[np.prod(1 - s)], each])
    return int(expected.argmax()), float(expected.max())
