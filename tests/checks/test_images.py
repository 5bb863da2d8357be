from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (64, 64), dtype=np.uint8)
TROUBLE = {
    "blank": NOISE // 128 + 90,
    "too small": NOISE[:9],
    "odd aspect": NOISE[:20],
    "very dark": NOISE // 5,
    "very bright": np.where(NOISE < 8, 0, 255).astype(np.uint8),
    "blurry": np.asarray(Image.fromarray(NOISE).resize((64, 64)).filter(ImageFilter.GaussianBlur(5))),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_is_called_by_its_name(project, draw, findings, trouble):
    project.add("fine", draw(1))
    project.add("bad", TROUBLE[trouble])
    (found,) = findings("images")
    assert found["id"] == "bad"
    assert trouble in found["reason"]
    assert 0 <= found["score"] <= 0.5


def test_a_sound_picture_is_not_complained_of(project, draw, findings):
    for n in range(5):
        project.add(f"p{n}", draw(n))
    assert findings("images") == []


def test_limits_are_params(project, draw, findings):
    project.add("p", draw(1))
    (found,) = findings("images", limits={"small": 65.0})
    assert found["reason"] == "too small: 64 px < 65"


def test_what_all_are_is_no_trouble(project, draw, findings):
    """Drawings on white paper are not bright; a dark one among them is dark."""
    for n in range(24):
        paper = np.full((64, 64), 255, np.uint8)
        paper[20 + n % 8 : 22 + n % 8, 8 : 30 + n] = 30
        project.add(f"p{n}", paper)
    project.add("bad", NOISE // 5)
    (found,) = findings("images")
    assert found["id"] == "bad"
    assert "very dark" in found["reason"]
