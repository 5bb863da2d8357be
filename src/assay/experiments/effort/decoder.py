"""The quick learner of masks: a small decoder on frozen feature maps, pixel by pixel. Seconds for some dozen images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from assay.data.annotations import Annotation
from assay.experiments.effort.features import Features, Maps
from assay.experiments.effort.study_data import StudyData
from assay.metrics.semantic_segmentation import TERMS, PixelsClassified, true_pixels
from assay.models._lite0 import CHANNELS, doubled

VOID = 255
"""Of a map of classes, 0 the background: pixels that count neither way."""
WIDTH = 32
FINEST = 4
"""px: the stride at which maps are decoded; each place then says the classes of 4 × 4 pixels."""
STEPS, BATCH, RATE, DECAY = 200, 4, 1e-2, 1e-3
"""The same for every scheme and budget: one-cycle AdamW, chosen on the full annotation."""


class Decoder(nn.Module):
    """Maps {stride: (n, c, h, w)} -> logits (n, 1 + classes, H, W), the background first."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleDict({str(stride): nn.Conv2d(c, WIDTH, 1) for stride, c in CHANNELS.items()})
        self.head = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.GroupNorm(4, WIDTH),
            nn.ReLU(),
            nn.Conv2d(WIDTH, (1 + classes) * FINEST**2, 3, padding=1),
            nn.PixelShuffle(FINEST),
        )

    def forward(self, maps: Mapping[int, torch.Tensor]) -> torch.Tensor:
        merged: torch.Tensor | None = None
        for stride in sorted(CHANNELS, reverse=True):
            here = self.lateral[str(stride)](maps[stride])
            merged = here if merged is None else here + doubled(merged)
        logits: torch.Tensor = self.head(merged)
        return logits


def class_map(
    objects: Sequence[Annotation], height: int, width: int, categories: Sequence[str]
) -> NDArray[np.uint8]:
    """(height, width) of one image: 0 background, 1 + the place of a class, VOID."""
    classes, void = true_pixels(objects, {name: k for k, name in enumerate(categories)}, height, width)
    found = np.where(void, VOID, 0).astype(np.uint8)
    for k, mask in sorted(classes.items()):
        found[mask] = k + 1
    return found


def target(data: StudyData, features: Features, row: int, taught: Sequence[Annotation]) -> NDArray[np.uint8]:
    """What a row of the pool teaches: its map of classes, on the canvas."""
    whole = class_map(taught, data.pool.heights[row], data.pool.widths[row], data.categories)
    return features.pool.where.masks(row, whole, VOID)


def fit(
    data: StudyData,
    features: Features,
    rows: Sequence[int],
    targets: Sequence[NDArray[np.uint8]],
    seed: int,
) -> PixelsClassified:
    """A decoder trained on rows of the pool with these targets, judged on the test images."""
    torch.manual_seed(seed)
    model = Decoder(len(data.categories))
    if rows:
        _train(model, features.pool, np.array(rows, np.int64), np.stack(targets), seed)
    return judged(data, features.test, model if rows else None)


def _train(
    model: Decoder, pool: Maps, rows: NDArray[np.int64], targets: NDArray[np.uint8], seed: int
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


def judged(data: StudyData, test: Maps, model: Decoder | None) -> PixelsClassified:
    """Shared, found and true pixels of each test image and class, at the size of the image. None finds nothing."""
    images, place = data.test, {name: k for k, name in enumerate(data.categories)}
    pixels = np.zeros((len(images), len(place), len(TERMS)))
    for row in range(len(images)):
        there, void = true_pixels(images.objects[row], place, images.heights[row], images.widths[row])
        found = np.zeros_like(void, np.uint8) if model is None else _said(model, test, row)
        for k in place.values():
            ours, theirs = (found == k + 1) & ~void, there.get(k, np.zeros_like(void)) & ~void
            pixels[row, k, :3] = (ours & theirs).sum(), ours.sum(), theirs.sum()
    nothing = ("",) * len(images)
    return PixelsClassified(pixels, nothing, (nothing, nothing))


def _said(model: Decoder, test: Maps, row: int) -> NDArray[np.uint8]:
    with torch.inference_mode():
        logits = model.eval()(test.batch(np.array([row])))[0].numpy()
    classes: NDArray[np.uint8] = test.where.restored(row, logits).argmax(0).astype(np.uint8)
    return classes
