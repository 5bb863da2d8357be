"""The quick learner of masks: a small decoder on frozen feature maps. Seconds for some dozen images.

STEPS and WIDTH were chosen on train images of nuclei at 192 px: trained on 60, Dice on 59 others is .88 in 6 CPU-s;
with pyramid and head of `lite0_segmenter` on the same maps .87 in 9. Both are too high for other data, as chosen there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from assay.data.annotations import Annotation
from assay.experiments.effort.features import STRIDES, FeatureMaps, StudyFeatures
from assay.experiments.effort.study_data import StudyData
from assay.metrics.semantic_segmentation import TERMS, VOID, PixelsClassified, SegmentedImage, true_pixels
from assay.models._lite0 import CHANNELS, doubled
from assay.tasks.semantic_segmentation import ImageRegions

WIDTH, GROUPS = 32, 4
STEPS, BATCH, RATE, DECAY = 200, 4, 1e-2, 1e-3
"""One-cycle AdamW, the same for every scheme and budget; chosen on the full annotation of train images, see above."""


class Decoder(nn.Module):
    """Maps {stride: (n, c, h, w)} -> logits (n, 1 + classes, H, W), the background first.

    All maps are summed at the finest stride; each cell predicts the classes of all its pixels.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(CHANNELS[stride], WIDTH, 1) for stride in STRIDES)
        self.head = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.GroupNorm(GROUPS, WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, (1 + classes) * STRIDES[0] ** 2, 3, padding=1),
            nn.PixelShuffle(STRIDES[0]),
        )

    def forward(self, maps: Mapping[int, torch.Tensor]) -> torch.Tensor:
        levels = [lateral(maps[stride]) for stride, lateral in zip(STRIDES, self.lateral, strict=True)]
        summed = levels[-1]
        for finer in reversed(levels[:-1]):
            summed = finer + doubled(summed)
        logits: torch.Tensor = self.head(summed)
        return logits


def target(
    data: StudyData, features: StudyFeatures, row: int, taught: Sequence[Annotation]
) -> NDArray[np.int16]:
    """The training target of a row of the pool, for each pixel of the canvas: 0, 1 + number of the class, or VOID."""
    place = {name: k for k, name in enumerate(data.categories)}
    numbers = ImageRegions(taught, place).numbers(data.pool.heights[row], data.pool.widths[row])
    return features.pool.where.masks(row, numbers.astype(np.int16), VOID)


def fit(
    data: StudyData,
    features: StudyFeatures,
    rows: Sequence[int],
    targets: Sequence[NDArray[np.int16]],
    seed: int,
) -> PixelsClassified:
    """A decoder trained on rows of the pool with these targets, judged on the test images."""
    torch.manual_seed(seed)
    model = Decoder(len(data.categories))
    if rows:
        _train(model, features.pool, np.array(rows, np.int64), np.stack(targets), seed)
    return judged(data, features.test, model if rows else None)


def _train(
    model: Decoder, pool: FeatureMaps, rows: NDArray[np.int64], targets: NDArray[np.int16], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    wanted = torch.from_numpy(targets.astype(np.int64))
    for _ in range(STEPS):
        batch = rng.choice(len(rows), BATCH, replace=len(rows) < BATCH)
        loss = F.cross_entropy(model(pool.batch(rows[batch])), wanted[batch], ignore_index=VOID)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def judged(data: StudyData, test: FeatureMaps, model: Decoder | None) -> PixelsClassified:
    """Shared, found and true pixels of each test image and class, in px of the image. `model` None: none is found."""
    images, place = data.test, {name: k for k, name in enumerate(data.categories)}
    pixels = np.zeros((len(images), len(place), len(TERMS)))
    for row in range(len(images)):
        there, void = true_pixels(images.objects[row], place, images.heights[row], images.widths[row])
        found = np.zeros_like(void, np.int64) if model is None else _found(model, test, row)
        for k in place.values():
            ours, theirs = (found == k + 1) & ~void, there.get(k, np.zeros_like(void)) & ~void
            pixels[row, k, :3] = (ours & theirs).sum(), ours.sum(), theirs.sum()
    # only the sums are used: the masks that were found are not kept
    rows = zip(images.heights, images.widths, images.labels, strict=True)
    return PixelsClassified(pixels, tuple(SegmentedImage(h, w, "", (), label) for h, w, label in rows), place)


def _found(model: Decoder, test: FeatureMaps, row: int) -> NDArray[np.int64]:
    with torch.inference_mode():
        logits = model.eval()(test.batch(np.array([row])))[0].numpy()
    found: NDArray[np.int64] = test.where.restored(row, logits).argmax(0)
    return found
