"""Base of the encoders that use torch: a network without its head, applied to normalised batches."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

AT_ONCE = 64
"""Images in the network at a time; with 256, memory doubles and allocation takes five times as long."""


class Backbone:
    """A network (n, 3, size, size) -> (n, dim), with mean and deviation of its inputs on the scale 0…255."""

    color: Literal["rgb", "gray"] = "rgb"

    def __init__(
        self, network: nn.Module, size: int, mean: list[float], deviation: list[float], device: Any
    ) -> None:
        self.size = size
        self._device = pick_device(device)
        self._network = network.eval().to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean, self._deviation = (
            torch.tensor(v).view(1, 3, 1, 1).to(self._device) for v in (mean, deviation)
        )
        self.fingerprint: dict[str, Any] = {"weights": weights_digest(network)}
        self.machine: dict[str, Any] = {
            "torch": torch.__version__,
            "device": self._device.type,
            "threads": torch.get_num_threads(),
        }
        self.dim = self.encode(np.zeros((1, size, size, 3), np.uint8)).shape[1]

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        cuts = range(0, len(images), AT_ONCE)
        return np.concatenate([self._encode(images[start : start + AT_ONCE]) for start in cuts])

    def _encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            # (n, h, w, c) viewed as (n, c, h, w) is torch's channels_last: no copy
            batch = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2).float()
            vectors: Tensor = self._network((batch - self._mean) / self._deviation)
            return vectors.float().cpu().numpy()


def pick_device(device: Any) -> torch.device:
    """A device by name; "auto": CUDA if available, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of parameters and buffers in the order of their names."""
    state = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        state.update(name.encode())
        state.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()
