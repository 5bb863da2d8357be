"""Every file in src/assay/models keeps the contract of models: assay.contracts.models."""

from __future__ import annotations

import pytest
import torch

from assay import contracts, plugins
from assay.contracts.models import spec

MODELS = plugins.names("models")


@pytest.mark.parametrize("check", contracts.of_kind("models"), ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_it_keeps_the_contract(name: str, check: contracts.Check) -> None:
    check(plugins.load("models", name))


@pytest.mark.parametrize("name", MODELS)
def test_another_seed_is_another_model(name: str) -> None:
    def built(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        model = plugins.load("models", name).build(spec())
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert not torch.equal(built(0), built(1))
