"""Every file in src/assay/models keeps the contract of models/__init__.py."""

from __future__ import annotations

import pytest
import torch
from pydantic import BaseModel

from assay import plugins
from assay.errors import ParamsError
from assay.models import ModelSpec, Pictures

MODELS = plugins.names("models")


def spec(**changes: object) -> ModelSpec:
    return ModelSpec(**{"classes": 3, "image_size": 32, "embedding_dim": 5} | changes)  # type: ignore[arg-type]


def inputs(name: str, one: ModelSpec, n: int = 4) -> torch.Tensor:
    if plugins.load("models", name).INPUT == "embeddings":
        return torch.rand(n, one.embedding_dim)
    return torch.rand(n, one.channels, one.image_size, one.image_size)


@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("name", MODELS)
def test_it_builds_and_learns_a_step(name: str, color: str) -> None:
    one = spec(color=color)
    model = plugins.load("models", name).build(one).train()
    logits = model(inputs(name, one))
    assert logits.shape == (4, 3)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_repeats_and_another_differs(name: str) -> None:
    def built(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        model = plugins.load("models", name).build(spec())
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(built(0), built(0))
    assert not torch.equal(built(0), built(1))


@pytest.mark.parametrize("name", MODELS)
def test_options_are_checked(name: str) -> None:
    plugin = plugins.load("models", name)
    assert issubclass(plugin.Options, BaseModel)
    assert plugin.INPUT in ("pixels", "embeddings")
    assert plugin.INPUT == "embeddings" or plugin.suited({}, Pictures(28, "gray")).size >= 28
    with pytest.raises(ParamsError, match=r"train\.options\.no_such_option"):
        plugin.build(spec(options={"no_such_option": 1}))


@pytest.mark.parametrize("name", MODELS)
def test_an_image_is_judged_alone(name: str) -> None:
    """In evaluation a prediction does not depend on what else is in the batch."""
    one = spec()
    model = plugins.load("models", name).build(one).eval()
    batch = inputs(name, one)
    with torch.inference_mode():
        assert model(batch)[:1] == pytest.approx(model(batch[:1]), abs=1e-4)
