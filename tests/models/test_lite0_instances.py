from __future__ import annotations

import numpy as np
import pytest
import torch

from assay.metrics.annotated import pixels_of
from assay.models import ModelSpec
from assay.models.lite0_instances import CELLS, build, cells, larger, outline_loss
from assay.tasks.instance_segmentation import corners_of, pasted
from assay.training.fit import deterministic

STEPS = 30


def target(masks: np.ndarray) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.from_numpy(corners_of(masks)).float(),
        "labels": torch.zeros(len(masks), dtype=torch.long),
        "ignore": torch.zeros(0, 4),
        "masks": torch.from_numpy(masks),
    }


def discs(side: int, *discs: tuple[int, int, int]) -> np.ndarray:
    """x, y, radius of each."""
    rows, columns = np.mgrid[:side, :side]
    return np.stack([(columns - x) ** 2 + (rows - y) ** 2 <= r * r for x, y, r in discs])


def test_cells_are_the_pixels_under_them_and_nothing_beyond_the_image():
    mask = np.zeros((1, 20, 30), bool)
    mask[0, 5:9, 12:20] = True
    window = larger(torch.tensor([[12.0, 5, 20, 9]]), 0.5)
    assert window.tolist() == [[8, 3, 24, 11]]
    made = cells(torch.from_numpy(mask), window)[0]
    assert made[CELLS // 4 : 3 * CELLS // 4, CELLS // 4 : 3 * CELLS // 4].all()
    assert made.sum() == (CELLS // 2) ** 2
    beyond = cells(torch.ones(1, 20, 30, dtype=torch.bool), torch.tensor([[-10.0, 0, 10, 20]]))[0]
    assert beyond.sum(0).tolist() == [0] * (CELLS // 2) + [CELLS] * (CELLS // 2)


def test_the_loss_of_a_sure_outline_is_nearly_nothing_and_there_is_none_without_objects():
    wanted = torch.zeros(2, CELLS, CELLS)
    wanted[:, 5:20, 5:20] = 1
    assert outline_loss(20 * (2 * wanted - 1), wanted) < 1e-3
    assert outline_loss(torch.zeros(2, CELLS, CELLS), wanted) > 1
    assert outline_loss(torch.zeros(0, CELLS, CELLS), wanted[:0]) == 0


def test_it_tells_discs_apart_that_touch():
    """Two images of two discs of one grey: after some steps each has its own pixels."""
    there = [discs(64, (20, 30, 11), (43, 30, 11)), discs(64, (32, 18, 9), (32, 37, 9))]
    images = torch.stack([torch.from_numpy(one.any(0)).float().expand(3, -1, -1) for one in there])
    with deterministic(1):
        torch.manual_seed(0)
        model = build(ModelSpec(1, 64, options={"width": 16})).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        for _ in range(STEPS):
            loss = model.loss(images, [target(one) for one in there])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            said = model.eval()(images)
    for one, masks in zip(said, there, strict=True):
        best = zip(one["masks"][:2].numpy(), one["boxes"][:2].double().numpy(), strict=True)
        drawn = [pasted(mask, box, np.array([64, 64])) for mask, box in best]
        pixels = np.stack([pixels_of(mask) for mask in drawn if mask])[:, None]
        overlap = (pixels & masks).sum((2, 3)) / (pixels | masks).sum((2, 3))
        assert overlap.max(0) == pytest.approx([1, 1], abs=0.25)
