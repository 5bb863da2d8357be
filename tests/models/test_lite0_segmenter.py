from __future__ import annotations

import torch

from assay.models import ModelSpec, Pictures
from assay.models.lite0_segmenter import build, suited
from assay.tasks.semantic_segmentation import pixel_loss


def test_it_learns_which_pixels_squares_and_bars_are():
    """A bright square and a gray bar on black: after some steps each pixel has its class, but for the border."""
    torch.manual_seed(0)
    model = build(ModelSpec(3, 64, options={"width": 16, "finest": 2}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    images, wanted = torch.zeros(2, 3, 64, 96), torch.zeros(2, 64, 96, dtype=torch.int64)
    for k, x in enumerate((6, 50)):
        images[k, :, 8:32, x : x + 20], wanted[k, 8:32, x : x + 20] = 1.0, 1
        images[k, :, 40:56, 20:80], wanted[k, 40:56, 20:80] = 0.5, 2
    model.train()
    for _ in range(24):
        loss = pixel_loss(model(images), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        found = model.eval()(images).argmax(1)
    for k in (1, 2):
        both = ((found == k) & (wanted == k)).sum()
        assert both / ((found == k) | (wanted == k)).sum() > 0.8


def test_small_images_are_enlarged_and_large_ones_are_not():
    assert suited({}, Pictures(256, "gray")) == Pictures(384, "rgb", "letterbox")
    assert suited({}, Pictures(900, "gray")).size == 640
