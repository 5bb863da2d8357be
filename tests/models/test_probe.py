from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from assay.models import ModelSpec
from assay.models.probe import GAIN, Probe, build, prepare
from assay.params import Train
from assay.progress import silent
from assay.tasks import classification
from assay.training import linear_probe
from assay.training.fit import Examples, fit
from assay.training.inputs import outputs_of
from assay.training.linear_probe import scale_of


def test_it_standardises_with_the_statistics_of_all_batches() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(1000, 4) * torch.tensor([1.0, 5.0, 0.01, 0.0]) + torch.tensor([0.0, 3e4, 1.0, 7.0])
    model = build(ModelSpec(outputs=2, image_size=1, embedding_dim=4))
    assert isinstance(model, Probe)
    prepare(model, vectors.split(300))
    exact = vectors.double()
    assert model.mean == pytest.approx(exact.mean(0), rel=1e-5, abs=1e-6)
    scale = scale_of(exact.var(0, correction=0).numpy(), 1000)
    assert model.scale.tolist() == pytest.approx((scale * 2 / GAIN).tolist(), rel=1e-4), "√4, over the length"
    assert scale[:2].tolist() == pytest.approx([1, 4.8], rel=0.03)
    assert scale[2:].tolist() == pytest.approx([0.3, 0.3], rel=0.03), "what hardly varies is not blown up"


@dataclass(frozen=True)
class Vectors:
    held: np.ndarray

    def __len__(self) -> int:
        return len(self.held)

    def batch(self, rows: np.ndarray) -> np.ndarray:
        return self.held[rows]


def test_on_noisy_labels_it_is_as_good_as_a_logistic_regression(tmp_path: Path) -> None:
    """40 % of the labels of train and val are wrong: val loss must not be least before anything was learnt."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, 5, 2000)
    ways = rng.normal(0, 1, (5, 800)) * 0.16
    seen = (rng.normal(0, 1, (2000, 800)) + ways[right]).astype(np.float32)
    given = np.where(rng.random(2000) < 0.4, rng.integers(0, 5, 2000), right)
    cuts = np.split(np.arange(2000), [800, 1100])

    penalties = (0.0005, 0.002)
    probes = [linear_probe.fit(seen[cuts[0]], given[cuts[0]], 5, c) for c in penalties]
    theirs = max((p.probabilities(seen[cuts[2]]).argmax(1) == right[cuts[2]]).mean() for p in probes)

    torch.manual_seed(0)
    model = build(ModelSpec(outputs=5, image_size=1, embedding_dim=800))
    prepare(model, [torch.from_numpy(seen[cuts[0]])])
    train, val = (Examples(Vectors(seen[rows]), given[rows]) for rows in cuts[:2])
    settings = Train(model="probe", epochs=12, batch=64, lr=0.003, device="cpu", patience=5)
    fitted = fit(model, train, val, classification, settings, 0, tmp_path / "c.pt", silent)
    model.load_state_dict(fitted.weights)
    said = classification.predict(outputs_of(model, Vectors(seen[cuts[2]]), 256, torch.device("cpu")))
    assert (said.argmax(1) == right[cuts[2]]).mean() > theirs - 0.015
