from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from assay.errors import ParamsError
from assay.models import ModelSpec
from assay.models.torchvision import build, names


def spec(size: int = 32, **options: str) -> ModelSpec:
    return ModelSpec(outputs=3, image_size=size, options=options)


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(ParamsError, match="no classifier 'resnet19'") as caught:
        build(spec(name="resnet19"))
    assert "resnet18, " in str(caught.value.hint)


def test_only_classifiers_are_listed() -> None:
    assert {"resnet18", "vit_b_16", "squeezenet1_0"} <= set(names())
    assert not any("rcnn" in name or name.startswith("raft") for name in names())


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5"])
def test_weights_of_a_file_without_their_head(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was trained for 7 classes starts a network for 3, of any kind: all but the head is taken."""
    given = build(ModelSpec(7, 64, options={"name": name})).network.state_dict()
    torch.save(given, tmp_path / "w.pt")
    monkeypatch.setenv("HOME", str(tmp_path))
    network = build(spec(64, name=name, weights="~/w.pt")).network
    taken = [key for key, tensor in network.state_dict().items() if torch.equal(tensor, given[key])]
    assert len(taken) == len(given) - 2
    assert network.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 3)


def test_images_of_the_wrong_size_are_refused_with_what_to_do() -> None:
    with pytest.raises(ParamsError, match="does not take images of 32 px") as caught:
        build(spec(32, name="vit_b_32"))
    assert "train.image_size" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Linear(2, 2).state_dict(), "does not fit resnet18: 100 of 100"),
        (None, "cannot be read as weights"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "w.pt") if content else (tmp_path / "w.pt").write_bytes(b"junk")
    with pytest.raises(ParamsError, match=message):
        build(spec(weights=str(tmp_path / "w.pt")))


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="cannot be read as weights"):
        build(spec(weights=str(tmp_path / "none.pt")))


def test_torch_is_not_quoted_where_it_advises_to_run_what_is_in_a_file(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pt")
    with pytest.raises(ParamsError, match="contains more than tensors and is not loaded") as error:
        build(spec(weights=str(tmp_path / "w.pt")))
    assert "weights_only" not in str(error.value)
    assert "\n" not in str(error.value)
