from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision import models

from assay.encoders import torchvision
from assay.errors import ParamsError


@pytest.mark.parametrize(
    ("name", "dim"),
    [("resnet18", 512), ("mobilenet_v3_small", 1024), ("squeezenet1_1", 512), ("googlenet", 1024)],
)
def test_the_head_is_gone(name, dim):
    assert torchvision.load({"name": name, "size": 64}, "cpu").dim == dim


def test_an_unknown_name_is_refused_with_the_valid_ones():
    with pytest.raises(ParamsError, match="'resnet19'") as caught:
        torchvision.load({"name": "resnet19"}, "cpu")
    assert "resnet18" in caught.value.hint
    assert "fasterrcnn" not in caught.value.hint


def test_a_size_the_network_cannot_take_is_refused():
    with pytest.raises(ParamsError, match=r"vit_b_16 does not take images of 32 px"):
        torchvision.load({"name": "vit_b_16", "size": 32}, "cpu")


def test_weights_come_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.manual_seed(1)
    network = models.resnet18()
    torch.save(network.state_dict(), tmp_path / "w.pt")
    ours = torchvision.load({"weights": "~/w.pt", "size": 32}, "cpu")
    other = torchvision.load({"size": 32}, "cpu")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    assert not np.allclose(ours.encode(images), other.encode(images))
    assert ours.fingerprint["weights"] != other.fingerprint["weights"]


@pytest.mark.parametrize("content", [None, b"", b"not weights"])
def test_a_file_that_is_no_weights_is_refused(tmp_path, content):
    file = tmp_path / "w.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ParamsError, match=r"w\.pt is not a state_dict of resnet18"):
        torchvision.load({"weights": str(file)}, "cpu")


def test_drawing_random_weights_disturbs_nobodys_seed():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    torchvision.load({"size": 32}, "cpu")
    assert torch.equal(torch.rand(3), wanted)
