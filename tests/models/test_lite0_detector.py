from __future__ import annotations

import numpy as np
import pytest
import torch

from assay.models import ModelSpec
from assay.models import _task_aligned as aligned
from assay.models._lite0 import Body, doubled
from assay.models.lite0_detector import build

STRIDES = torch.full((16,), 8.0)
POINTS = torch.stack(
    torch.meshgrid(torch.arange(4) * 8.0 + 4, torch.arange(4) * 8.0 + 4, indexing="xy"), 2
).reshape(-1, 2)


def target(*boxes: list[float], labels: list[int] | None = None, ignore: list[list[float]] = []) -> dict:  # noqa: B006
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.tensor(labels or [0] * len(boxes), dtype=torch.long),
        "ignore": torch.tensor(ignore).reshape(-1, 4),
    }


def test_folded_norms_change_nothing():
    from assay.encoders.efficientnet_lite0 import network

    torch.manual_seed(0)
    images = torch.rand(1, 3, 64, 96)
    whole, body = network(pretrained=True).eval(), Body(pretrained=True).eval()
    with torch.no_grad():
        x = torch.nn.functional.relu6(whole._bn0(whole._conv_stem((images * 255 - 127) / 128)))
        for block in whole._blocks:
            x = block(x)
        made = body(images)
    assert [tuple(made[stride].shape[2:]) for stride in (4, 8, 16, 32)] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert torch.allclose(made[32], x, atol=1e-3)


def test_doubled_is_interpolate():
    maps = torch.rand(2, 3, 4, 5)
    assert torch.equal(doubled(maps), torch.nn.functional.interpolate(maps, scale_factor=2.0))


def test_the_points_that_see_an_object_best_learn_it():
    there = target([0.0, 0.0, 16.0, 16.0], [16.0, 16.0, 32.0, 32.0], labels=[0, 1])
    boxes = torch.cat([POINTS - 8, POINTS + 8], 1)
    boxes[0] = there["boxes"][0]
    scores = torch.full((16, 2), 0.1)
    aim, rows, which = aligned.assign(scores, boxes, POINTS, STRIDES, there)
    assert set(rows[which == 0].tolist()) == {0, 1, 4, 5}
    assert aim[0].tolist() == pytest.approx([1.0, 0.0], abs=1e-4)
    assert (aim[rows[which == 1], 0] == 0).all()
    assert aim.max(0).values[1] == pytest.approx(float(aligned.iou(there["boxes"][1], boxes).max()), abs=1e-3)


def test_an_object_smaller_than_a_cell_is_learnt_all_the_same():
    _, rows, _ = aligned.assign(torch.full((16, 1), 0.1), torch.cat([POINTS - 4, POINTS + 4], 1), POINTS, STRIDES,
                                target([7.0, 7.0, 9.0, 9.0]))  # fmt: skip
    assert len(rows) == 4


def test_a_region_to_ignore_costs_nothing():
    logits, boxes = torch.zeros(1, 16, 1), torch.cat([POINTS - 4, POINTS + 4], 1)[None]
    with_it, without = (
        aligned.loss(logits, boxes, POINTS, STRIDES, [target(ignore=ignore)])
        for ignore in ([[0.0, 0.0, 32.0, 32.0]], [])
    )
    assert with_it == 0 < without


def test_the_iou_is_torchvisions():
    from torchvision.ops import box_iou, generalized_box_iou

    rng = np.random.default_rng(0)
    boxes = torch.from_numpy(np.sort(rng.uniform(0, 9, (20, 2, 2)), axis=1).reshape(-1, 4))
    assert aligned.iou(boxes[:, None], boxes[None]).numpy() == pytest.approx(
        box_iou(boxes, boxes).numpy(), abs=1e-5
    )
    whole = aligned.generalised_iou(boxes[:, None], boxes[None]).numpy()
    assert whole == pytest.approx(generalized_box_iou(boxes, boxes).numpy(), abs=1e-5)


def test_it_learns_where_squares_are():
    """Bright squares on black: after some steps their boxes are found."""
    torch.manual_seed(0)
    model = build(ModelSpec(1, 64, options={"width": 16}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    rng = np.random.default_rng(0)
    images, targets = torch.zeros(2, 3, 64, 64), []
    for image in images:
        x, y = rng.integers(4, 36, 2).tolist()
        image[:, y : y + 20, x : x + 24] = 1
        targets.append(target([x, y, x + 24.0, y + 20.0]))
    model.train()
    for _ in range(20):
        loss = model.loss(images, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        said = model.eval()(images)
    for one, there in zip(said, targets, strict=True):
        assert aligned.iou(one["boxes"][0], there["boxes"][0]) > 0.7
