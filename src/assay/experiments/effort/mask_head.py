"""The quick learner of masks: pyramid and head of `lite0_segmenter` on frozen feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from assay.data.annotations import Annotation
from assay.experiments.effort.features import Features, Maps
from assay.experiments.effort.study_data import StudyData
from assay.metrics.semantic_segmentation import TERMS, VOID, PixelsClassified, true_pixels
from assay.models.lite0_segmenter import Options, Segmenter
from assay.tasks.semantic_segmentation import Outlined, pixel_loss

OPTIONS = Options(weights="none", width=32)
STEPS, BATCH, RATE, DECAY = 150, 4, 1e-2, 1e-3
"""The same for every scheme and budget: one-cycle AdamW, chosen on the full annotation of other images."""


def target(data: StudyData, features: Features, row: int, taught: Sequence[Annotation]) -> NDArray[np.int16]:
    """What a row of the pool teaches: 0, 1 + the place of a class, or VOID, for each pixel of the canvas."""
    place = {name: k for k, name in enumerate(data.categories)}
    numbers = Outlined(taught, place).numbers(data.pool.heights[row], data.pool.widths[row])
    return features.pool.where.masks(row, numbers.astype(np.int16), VOID)


def fit(
    data: StudyData, features: Features, rows: Sequence[int], targets: Sequence[NDArray[np.int16]], seed: int
) -> PixelsClassified:
    """A head trained on rows of the pool with these targets, judged on the test images."""
    torch.manual_seed(seed)
    model = Segmenter(1 + len(data.categories), OPTIONS)
    if rows:
        _train(model, features.pool, np.array(rows, np.int64), np.stack(targets), seed)
    return judged(data, features.test, model if rows else None)


def _train(
    model: Segmenter, pool: Maps, rows: NDArray[np.int64], targets: NDArray[np.int16], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    learnt = [*model.pyramid.parameters(), *model.head.parameters()]
    optimiser = torch.optim.AdamW(learnt, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    wanted = torch.from_numpy(targets.astype(np.int64))
    for _ in range(STEPS):
        batch = rng.choice(len(rows), BATCH, replace=len(rows) < BATCH)
        loss = pixel_loss(model.logits(pool.batch(rows[batch])), wanted[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def judged(data: StudyData, test: Maps, model: Segmenter | None) -> PixelsClassified:
    """Shared, found and true pixels of each test image and class, at the size of the image. None finds nothing."""
    images, place = data.test, {name: k for k, name in enumerate(data.categories)}
    pixels = np.zeros((len(images), len(place), len(TERMS)))
    for row in range(len(images)):
        there, void = true_pixels(images.objects[row], place, images.heights[row], images.widths[row])
        found = np.zeros_like(void, np.int64) if model is None else _found(model, test, row)
        for k in place.values():
            ours, theirs = (found == k + 1) & ~void, there.get(k, np.zeros_like(void)) & ~void
            pixels[row, k, :3] = (ours & theirs).sum(), ours.sum(), theirs.sum()
    nothing = ("",) * len(images)
    return PixelsClassified(pixels, nothing, (nothing, nothing))


def _found(model: Segmenter, test: Maps, row: int) -> NDArray[np.int64]:
    with torch.inference_mode():
        logits = model.eval().logits(test.batch(np.array([row])))[0].numpy()
    found: NDArray[np.int64] = test.where.restored(row, logits).argmax(0)
    return found
