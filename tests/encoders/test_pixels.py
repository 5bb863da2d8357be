from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from assay.encoders import pixels
from assay.errors import ParamsError


def test_neither_brightness_nor_contrast_counts():
    encoder = pixels.load({"size": 8}, "cpu")
    image = np.random.default_rng(0).integers(0, 100, (1, 8, 8, 1), dtype=np.uint8)
    assert np.allclose(encoder.encode(image), encoder.encode(image * 2 + 20), atol=1e-5)
    assert not encoder.encode(np.full_like(image, 7)).any()


@pytest.mark.parametrize(
    ("options", "dim"), [({}, 256), ({"size": 32}, 1024), ({"size": 8, "color": "rgb"}, 192)]
)
def test_the_dimension_follows_from_the_options(options, dim):
    assert pixels.load(options, "cpu").dim == dim


def test_too_long_a_vector_is_refused():
    with pytest.raises(ParamsError, match="3072 numbers, more than 1024"):
        pixels.load({"size": 32, "color": "rgb"}, "cpu")


def test_it_does_without_torch():
    program = "import sys; from assay import plugins; plugins.load('encoders', 'pixels'); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
