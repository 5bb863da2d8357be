from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageStat

from assay.data.images import traits

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 256, (5, 40, 30, 3), dtype=np.uint8)
STACK[1] = STACK[1] // 8
STACK[2] = 200


def test_luma_is_pillows():
    ours = traits.luma(STACK)
    assert all(
        (ours[k] == np.asarray(Image.fromarray(STACK[k]).convert("L"))).all() for k in range(len(STACK))
    )


def test_statistics_are_those_of_pillow_and_numpy():
    grey = traits.luma(STACK)
    found = traits.measure(grey)
    assert tuple(found) == traits.NAMES
    for k, image in enumerate(grey):
        stat = ImageStat.Stat(Image.fromarray(image))
        assert found["brightness"][k] == pytest.approx(stat.mean[0] / 255, abs=1e-6)
        assert found["contrast"][k] == pytest.approx(stat.stddev[0] / 255, abs=1e-6)
        assert found["entropy"][k] == pytest.approx(Image.fromarray(image).entropy(), abs=1e-4)
        for percent in (5, 99):
            wanted = np.percentile(image, percent, method="inverted_cdf") / 255
            assert found[f"percentile_{percent}"][k] == pytest.approx(wanted, abs=1e-6)


def test_an_image_has_the_same_statistics_alone_and_in_a_stack():
    grey = traits.luma(STACK)
    together = traits.measure(grey)
    for k in range(len(grey)):
        alone = traits.measure(grey[k : k + 1])
        assert all(alone[name][0] == together[name][k] for name in traits.NAMES)


def test_blur_lowers_sharpness_and_contrast_does_not():
    image = Image.fromarray(RNG.integers(0, 256, (32, 32), dtype=np.uint8)).resize((64, 64))
    blurred = image.filter(ImageFilter.GaussianBlur(4))
    pale = image.point(lambda v: 100 + v // 4)
    sharp, blurry, low = (
        float(traits.measure(np.asarray(i)[None])["sharpness"][0]) for i in (image, blurred, pale)
    )
    assert blurry < 0.3 < sharp
    assert low == pytest.approx(sharp, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (2, 50), (1, 3000), (3000, 1), (257, 100)])
def test_odd_shapes_have_finite_statistics(shape):
    pixels = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    small = traits.shrink(pixels)
    assert max(small.shape[:2]) <= traits.LARGEST
    found = traits.measure(traits.luma(small[None]))
    assert all(np.isfinite(values).all() for values in found.values())
