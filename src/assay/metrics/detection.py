"""Metrics of detectors: COCO's average precision and recall, and the best F1, as functions of image weights.

    ap, ap50, ap75   average precision (Lin et al. 2014): mean over the classes of the ruler and ten IoU thresholds
                     .50, .55 … .95; at .50; at .75
    ar               average recall: of at most 100 detections a class and image, mean over classes and thresholds
    f1               highest F1 of all classes together that one least score gives, at IoU .50

Columns of predictions.parquet, the objects of an image in the order of their scores, best first:

    predicted   text                         what a person reads: `3 RBC, 1 WBC`
    boxes       list<fixed_size_list<float32, 4>>     x, y, width, height in pixels of the upright image
    scores      list<float32>                0…1
    classes     list<int32>                  places among the classes of the model

A label is the canonical JSON of an image's annotations, each with a box or an outline; `iscrowd` marks regions that
count neither way. `[]` is an image without objects: all that is found there is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.metrics.annotated import read_truth
from assay.metrics.average_precision import Ranked, average_precision, best_f1, rank, rank_all
from assay.metrics.bootstrap import bootstrapped
from assay.metrics.estimates import Estimate, Floats, mean_of_defined
from assay.metrics.judged import Judged
from assay.metrics.matching import (
    MOST,
    SIZES,
    THRESHOLDS,
    Matched,
    Overlap,
    Pairs,
    box_overlap,
    match,
    overlapping,
)
from assay.metrics.objects import Detections, Ints, Truth, offsets_of
from assay.metrics.table import OF_TASK

METRICS = OF_TASK["detection"]
OF_A_CLASS = ("ap", "ap50")
AT_75 = 5
"""Place of .75 among the thresholds."""
BY_SIZE = [size for size in SIZES if size != "all"]


@dataclass(frozen=True)
class Detected(Judged):
    """Detections on n images and the objects that are there."""

    METRICS: ClassVar = METRICS
    OF_A_CLASS: ClassVar = OF_A_CLASS

    truth: Truth
    """Ordered by image and class."""
    detections: Detections
    """The best 100 of each class and image, ordered by image, class and score."""
    said: tuple[str, ...]
    """(n,) the predictions in words."""
    classes: int = 0
    least: float | None = None
    """Score from which on a detection counts in `quality`; None: that of the best F1."""

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def threshold(self) -> float:
        """Score from which on a detection counts in `quality`. Infinite where nothing is right."""
        return float(best_f1(self._all, _columns(self, None))[1][0]) if self.least is None else self.least

    @cached_property
    def pairs(self) -> Pairs:
        """Detections and objects of one class that overlap enough at the lowest threshold."""
        ours, theirs = (objects.groups(self.classes) for objects in (self.detections, self.truth))
        return overlapping(ours, theirs, self.overlap, float(THRESHOLDS[0]))

    @property
    def overlap(self) -> Overlap:
        """How much a detection and an object overlap."""
        return box_overlap(self.detections, self.truth)

    @cached_property
    def matched(self) -> Matched:
        """Objects of all sizes."""
        return self.matched_of("all")

    def matched_of(self, size: str) -> Matched:
        """What each detection comes to if only objects of that size are to be found."""
        return match(self.detections, self.truth, self.pairs, self.classes, size)

    @cached_property
    def quality(self) -> Floats:
        """F1 of the image at IoU .50, of the detections from `threshold` on; 1 where nothing is there nor found."""
        shown = self.shown
        counts = (
            np.bincount(objects.images[mask], minlength=len(self))
            for objects, mask in (
                (self.detections, self.matched.hits[0] & shown),
                (self.detections, self.matched.counted[0] & shown),
                (self.truth, self.matched.wanted),
            )
        )
        hits, found, there = counts
        both = found + there
        quality: Floats = np.divide(2.0 * hits, both, out=np.ones(len(self)), where=both > 0)
        return quality

    @property
    def shown(self) -> NDArray[np.bool_]:
        """(d,) whether the detection's score is at least `threshold`."""
        enough: NDArray[np.bool_] = self.detections.scores >= self.threshold
        return enough

    @cached_property
    def confidence(self) -> Floats:
        """(n,) mean score of the detections from `threshold` on; NaN without any."""
        images, scores = self.detections.images[self.shown], self.detections.scores[self.shown]
        counts, sums = (np.bincount(images, w, len(self)) for w in (None, scores))
        means: Floats = np.divide(sums, counts, out=np.full(len(self), np.nan), where=counts > 0)
        return means

    @property
    def words(self) -> list[str]:
        return list(self.said)

    @property
    def content(self) -> tuple[bytes, bytes]:
        return _bytes(self.detections), _bytes(self.truth)

    def take(self, rows: Any) -> Self:
        return replace(
            self,
            truth=self.truth.take(rows),
            detections=self.detections.take(rows),
            said=tuple(np.array(self.said, object)[rows]),
            least=self.threshold,
        )

    def values(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        columns = _columns(self, weights)
        precision, recall = self.curves(self.matched, columns)
        each = (precision, precision[:, :1], precision[:, AT_75 : AT_75 + 1], recall)
        means = (mean_of_defined(rows.reshape(-1, columns.shape[1])) for rows in each)
        return dict(zip(METRICS, (*means, best_f1(self._all, columns)[0]), strict=True))

    def curves(self, matched: Matched, weights: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """(classes, thresholds, b) average precision and recall under image weights (n, b)."""
        ranked = rank(self.detections, self.truth, matched, self.classes)
        shape = (self.classes, len(THRESHOLDS), weights.shape[1])
        precision, recall = np.empty(shape), np.empty(shape)
        for k, one in enumerate(ranked):
            precision[k], recall[k] = average_precision(one, weights)
        return precision, recall

    def of_classes(self, weights: NDArray[np.float32] | None = None) -> dict[str, Floats]:
        precision, _ = self.curves(self.matched, _columns(self, weights))
        return {"ap": precision.mean(1).T, "ap50": precision[:, 0].T}

    def of_sizes(self, weights: NDArray[np.float32] | None = None) -> Floats:
        """(b, sizes) average precision of small, medium and large objects; NaN for sizes that are not there."""
        columns = _columns(self, weights)
        sizes = (self.curves(self.matched_of(size), columns)[0] for size in BY_SIZE)
        return np.stack([mean_of_defined(rows.reshape(-1, columns.shape[1])) for rows in sizes], axis=1)

    def per_class(self, categories: Sequence[str]) -> dict[str, dict[str, Estimate]]:
        """Average precision of each class with its interval; n: its objects."""
        counts = np.bincount(self.truth.classes[self.matched.wanted], minlength=self.classes)
        found = bootstrapped(len(self), self.of_classes, counts)
        return {
            name: {metric: rows[k] for metric, rows in found.items()} for k, name in enumerate(categories)
        }

    def per_size(self) -> dict[str, Estimate]:
        """Average precision of each size of objects with its interval; n: their number."""
        counts = np.array([self.matched_of(size).wanted.sum() for size in BY_SIZE])
        found = bootstrapped(len(self), lambda weights: {"ap": self.of_sizes(weights)}, counts)
        return dict(zip(BY_SIZE, found["ap"], strict=True))

    @cached_property
    def _all(self) -> Ranked:
        return rank_all(self.detections, self.truth, self.matched)


def _columns(judged: Judged, weights: NDArray[np.floating] | None) -> NDArray[np.floating]:
    """(n, b) image weights; in float64 where every image counts once."""
    return np.ones((len(judged), 1)) if weights is None else np.ascontiguousarray(weights.T)


def _bytes(objects: Detections | Truth) -> bytes:
    columns = (getattr(objects, field.name) for field in fields(objects))
    return b"".join(
        repr(column.tolist()).encode() if column.dtype == object else column.tobytes()
        for column in columns
        if column is not None
    )


def judge(
    table: pa.Table, known: Sequence[str], labels: Sequence[str], categories: Sequence[str]
) -> Detected:
    """The columns `boxes`, `scores` and `classes`, of the classes `known`, held against labels among `categories`."""
    place = {category: k for k, category in enumerate(categories)}
    return Detected(
        read_truth(labels, place).by_class(),
        read_detections(table, np.array([place[category] for category in known], np.int64)).best(MOST),
        tuple(table["predicted"].to_pylist()),
        len(categories),
    )


def read_detections(table: pa.Table, places: Ints) -> Detections:
    """The objects of predictions, whose classes have these places."""
    columns = {name: table[name].combine_chunks() for name in ("boxes", "scores", "classes")}
    counts = pc.list_value_length(columns["scores"]).to_numpy(zero_copy_only=False)
    flat = {name: column.flatten() for name, column in columns.items()}
    boxes = np.asarray(flat["boxes"].flatten(), np.float64).reshape(-1, 4)
    return Detections(
        offsets_of(counts),
        places[np.asarray(flat["classes"], np.int64)],
        boxes,
        boxes[:, 2] * boxes[:, 3],
        scores=np.asarray(flat["scores"], np.float64),
    )


def in_words(classes: Sequence[int], categories: Sequence[str]) -> str:
    """`3 RBC, 1 WBC`: how many of each class, in the order of the classes; `nothing` for none."""
    counts = Counter(classes)
    return ", ".join(f"{counts[k]} {name}" for k, name in enumerate(categories) if counts[k]) or "nothing"
