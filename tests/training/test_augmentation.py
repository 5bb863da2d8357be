from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.data.images.placement import place
from assay.errors import ParamsError
from assay.training.augmentation import GRID, RECIPES, Recipe, augment, canvases, resized


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch() -> torch.Tensor:
    """Eight times the same picture: a bright block left of the middle, wider than high."""
    images = torch.zeros(8, 3, 20, 26)
    images[:, :, 8:12, 6:12] = 1.0
    return images


def test_none_is_the_same_tensor(batch: torch.Tensor) -> None:
    assert augment(batch, RECIPES["none"], seeded())[0] is batch


@pytest.mark.parametrize("name", ["light", "flips", "strong"])
def test_images_of_a_batch_change_each_in_its_way(batch: torch.Tensor, name: str) -> None:
    out = augment(batch, RECIPES[name], seeded())[0]
    assert out.shape == batch.shape
    assert 0 <= out.min() <= out.max() <= 1
    assert len(torch.unique(out.flatten(1), dim=0)) == 8


@pytest.mark.parametrize("name", ["light", "flips", "strong"])
def test_a_seed_repeats_and_another_differs(batch: torch.Tensor, name: str) -> None:
    first = augment(batch, RECIPES[name], seeded())[0]
    assert torch.equal(first, augment(batch, RECIPES[name], seeded())[0])
    assert not torch.equal(first, augment(batch, RECIPES[name], seeded(1))[0])


def test_the_global_generator_is_left_alone(batch: torch.Tensor) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    augment(batch, RECIPES["strong"], seeded())
    assert torch.equal(torch.rand(1), expected)


def test_a_flip_is_a_mirror_and_comes_half_of_the_time() -> None:
    images = torch.rand(400, 1, 6, 9, generator=seeded(3))
    out = augment(images, Recipe(flip=True), seeded())[0]
    same = (out - images).abs().amax((1, 2, 3)) < 1e-4
    mirrored = (out - images.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert torch.all(same ^ mirrored)
    assert 150 < int(mirrored.sum()) < 250


def test_a_turn_keeps_its_area_also_in_an_oblong_image(batch: torch.Tensor) -> None:
    out = augment(batch, Recipe(angle=90), seeded())[0]
    assert out[:, 0].sum((1, 2)) == pytest.approx([24.0] * 8, abs=2.0)


def test_a_shift_stays_within_its_part(batch: torch.Tensor) -> None:
    out = augment(batch.repeat(20, 1, 1, 1), Recipe(shift=0.1), seeded())[0][:, 0]
    across = torch.arange(26.0) + 0.5
    centres = (out.sum(1) * across).sum(1) / out.sum((1, 2))
    assert 6.35 <= float(centres.min()) < 7.5
    assert 10.5 < float(centres.max()) <= 11.65


@pytest.mark.parametrize("name", ["none", "light", "flips", "strong"])
def test_it_says_where_pixels_went(name: str) -> None:
    """The middle of a bright block is where the map says, to half a pixel; so are its corners, by their box."""
    images = torch.zeros(60, 1, 60, 90)
    images[:, :, 22:30, 40:56] = 1.0
    recipe = replace(RECIPES[name], light=0.0, erase=0.0)
    out, moved = augment(images, recipe, seeded())
    where = place(np.full(60, 90), np.full(60, 60), (60, 90), "squeeze").then(moved)
    down, across = (torch.arange(float(side)) + 0.5 for side in (60, 90))
    for k, image in enumerate(out[:, 0]):
        centre = [
            float((image.sum(0) * across).sum() / image.sum()),
            float((image.sum(1) * down).sum() / image.sum()),
        ]
        assert where.points(k, np.array([[48.0, 26.0]]))[0] == pytest.approx(centre, abs=0.5)
        ends = where.points(k, np.array([[40.0, 22], [56, 22], [40, 30], [56, 30]]))
        lit = np.argwhere(image.numpy() > 0.5)[:, ::-1]
        assert ends.min(0) == pytest.approx(lit.min(0), abs=1.5)
        assert ends.max(0) == pytest.approx(lit.max(0) + 1, abs=1.5)


def test_erasing_paints_one_rectangle(batch: torch.Tensor) -> None:
    images = torch.rand(50, 1, 20, 20, generator=seeded(1))
    changed = (augment(images, Recipe(erase=0.4), seeded())[0] - images).abs() > 1e-4
    rows, columns = changed.any(3).sum(2), changed.any(2).sum(2)
    assert torch.equal(changed.sum((1, 2, 3)), (rows * columns)[:, 0])
    assert int(rows.max()) <= 9
    assert int(changed.sum()) > 0


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.25, 1), st.floats(1.01, 4))
def test_canvases_have_sides_of_the_grid_and_are_within_the_range(rows, columns, low, high):
    canvas, longer = (rows * GRID, columns * GRID), max(rows, columns) * GRID
    try:
        found = canvases(canvas, (low, high))
    except ParamsError:
        assert int(high * longer / GRID) - low * longer / GRID < 2
        return
    assert canvas in found
    assert len(set(found)) == len(found) > 1
    for height, width in found:
        assert (height % GRID, width % GRID) == (0, 0)
        assert low * longer - 1e-6 <= max(height, width) <= high * longer + 1e-6
        scale = max(height, width) / longer
        off = abs(min(height, width) - scale * min(canvas))
        assert off <= GRID / 2 + 1e-6 or min(height, width) == GRID


def test_one_size_is_no_range():
    with pytest.raises(
        ParamsError, match=r"train\.scale: \[0\.75, 1\.25\] of 28 px leaves 1 size in steps of 32"
    ):
        canvases((28, 28), [0.75, 1.25])


@pytest.mark.parametrize("canvas", [(32, 64), (96, 96), (128, 160)])
def test_a_place_moves_along_when_a_batch_is_resized(canvas: tuple[int, int]) -> None:
    images = torch.zeros(1, 1, 64, 96)
    images[:, :, 16:32, 48:72] = 1.0
    where = place(np.array([48]), np.array([64]), (64, 96), "letterbox").stretched(canvas)
    out = resized(images, canvas)[0, 0]
    assert (tuple(out.shape), where.canvas) == (canvas, canvas)
    lit = np.argwhere(out.numpy() > 0.5)[:, ::-1]
    ends = where.points(0, np.array([[24.0, 16], [48, 32]]))
    assert [lit.min(0), lit.max(0) + 1] == [pytest.approx(end, abs=0.6) for end in ends]
