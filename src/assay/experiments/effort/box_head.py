"""The quick learner of boxes: pyramid and head of `lite0_detector` on frozen feature maps.

A frozen body finds small classes badly: compare schemes by it, not detectors, and look at each class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.experiments.effort.features import StudyFeatures
from assay.experiments.effort.study_data import StudyData
from assay.metrics.detected import Detected
from assay.metrics.detection import judge
from assay.models.lite0_detector import Detector, Options
from assay.tasks import detection
from assay.training.frozen import FeatureMaps

OPTIONS = Options(weights="none", width=48, finest=8)
STEPS, BATCH, RATE, DECAY = 200, 4, 3e-3, 1e-2
"""The same for every scheme and budget: one-cycle AdamW."""
CPU = torch.device("cpu")
Found = dict[str, torch.Tensor]
"""Of an image: `boxes` (n, 4) corners on the canvas, `scores` and `labels` (n,)."""


def target(
    data: StudyData, features: StudyFeatures, row: int, taught: Sequence[Annotation]
) -> detection.Boxes:
    """The training target of a row of the pool: its boxes."""
    return detection.targets(_labels([taught]), data.categories)[0]


def fit(
    data: StudyData,
    features: StudyFeatures,
    rows: Sequence[int],
    targets: Sequence[detection.Boxes],
    seed: int,
) -> Detected:
    """A head trained on rows of the pool with these targets, judged on the test images."""
    torch.manual_seed(seed)
    model = Detector(len(data.categories), OPTIONS)
    if rows:
        _train(model, features.pool, np.array(rows, np.int64), targets, seed)
    return judged(data, features.test, partial(_found, model.eval(), features.test) if rows else None)


def _labels(images: Sequence[Sequence[Annotation]]) -> list[str]:
    return [detection.label(objects) or "[]" for objects in images]


def _train(
    model: Detector, pool: FeatureMaps, rows: NDArray[np.int64], targets: Sequence[detection.Boxes], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    learnt = [*model.pyramid.parameters(), *model.head.parameters()]
    optimiser = torch.optim.AdamW(learnt, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        batch = rng.choice(len(rows), BATCH, replace=len(rows) < BATCH)
        wanted = detection.batch(targets, batch, pool.where.take(rows[batch]), CPU)
        loss = model.loss_of(model.pyramid(pool.batch(rows[batch])), _blank(pool, len(batch)), wanted)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learnt, 10.0)
        optimiser.step()
        schedule.step()


def judged(data: StudyData, test: FeatureMaps, find: Callable[[int], Found] | None) -> Detected:
    """Detections on the test images, compared with their boxes. `find`: row -> Found; None: nothing is found."""
    found = [[as_found([], [], []) if find is None else find(row)] for row in range(len(data.test))]
    table = detection.to_table(detection.predict(found, test.where), data.categories)
    return judge(table, data.categories, _labels(data.test.objects), data.categories)


def _found(model: Detector, test: FeatureMaps, row: int) -> Found:
    with torch.inference_mode():
        levels = model.pyramid(test.batch(np.array([row])))
        return model.found(levels, _blank(test, 1))[0]


def _blank(maps: FeatureMaps, count: int) -> torch.Tensor:
    """Empty images of the size of the canvas: with the maps given, the detector reads only their size."""
    return torch.zeros(1).expand(count, 1, *maps.where.canvas)


def as_found(boxes: Sequence[Sequence[float]], scores: Sequence[float], classes: Sequence[int]) -> Found:
    """Corners (n, 4) on the canvas, px, with their scores and classes (n,)."""
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "scores": torch.tensor(scores, dtype=torch.float32),
        "labels": torch.tensor(classes, dtype=torch.int64),
    }
