"""The quick learner of masks: a small decoder on frozen feature maps. Seconds for some dozen images.

STEPS and WIDTH were chosen on train images of nuclei at 192 px: trained on 60, Dice on 59 others is .88 in 6 CPU-s;
with pyramid and head of `lite0_segmenter` on the same maps .87 in 9. Both are too high for other data, as chosen there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from assay.models._lite0 import CHANNELS, doubled
from assay.training.frozen import STRIDES, FeatureMaps

VOID = -1
"""In place of a class: pixels that count neither way."""
WIDTH, GROUPS = 32, 4
STEPS, BATCH, RATE, DECAY = 200, 4, 1e-2, 1e-3
"""One-cycle AdamW, the same for all data; chosen on the full annotation of train images, see above."""


class Decoder(nn.Module):
    """FeatureMaps {stride: (n, c, h, w)} -> logits (n, 1 + classes, H, W), the background first.

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


def trained(
    classes: int, maps: FeatureMaps, rows: NDArray[np.int64], targets: NDArray[np.int16], seed: int
) -> Decoder:
    """A decoder that learnt targets (m, *canvas), 0, 1 + a class, or VOID, of rows (m,) of the maps."""
    torch.manual_seed(seed)
    model = Decoder(classes)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    wanted = torch.from_numpy(targets.astype(np.int64))
    for _ in range(STEPS):
        batch = rng.choice(len(rows), BATCH, replace=len(rows) < BATCH)
        loss = F.cross_entropy(model(maps.batch(rows[batch])), wanted[batch], ignore_index=VOID)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return model.eval()


def logits(model: Decoder, maps: FeatureMaps, row: int) -> NDArray[np.float32]:
    """(1 + classes, height, width) of one image, in its own pixels."""
    with torch.inference_mode():
        seen = model(maps.batch(np.array([row])))[0].numpy()
    return maps.where.restored(row, seen)
