from __future__ import annotations

import pytest
import torch

from assay.linear_probe import scale_of
from assay.models import ModelSpec
from assay.models.probe import Probe, build, prepare


def test_it_standardises_with_the_statistics_of_all_batches() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(1000, 4) * torch.tensor([1.0, 5.0, 0.01, 0.0]) + torch.tensor([0.0, 3e4, 1.0, 7.0])
    model = build(ModelSpec(classes=2, image_size=1, embedding_dim=4))
    assert isinstance(model, Probe)
    prepare(model, vectors.split(300))
    exact = vectors.double()
    assert model.mean == pytest.approx(exact.mean(0), rel=1e-5, abs=1e-6)
    scale = scale_of(exact.var(0, correction=0).numpy(), 1000)
    assert model.scale.tolist() == pytest.approx(scale.tolist(), rel=1e-4)
    assert scale[:2].tolist() == pytest.approx([1, 4.8], rel=0.03)
    assert scale[2:].tolist() == pytest.approx([0.3, 0.3], rel=0.03), "what hardly varies is not blown up"
