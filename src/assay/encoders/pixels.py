"""The pixels of the reduced image, standardised. No weights, no torch; for tiny images, and as a baseline."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from assay.encoders import options_of
from assay.params import Section
from assay.params.bounds import within

LONGEST = 1024


class Options(Section):
    """`size` × `size` pixels give a vector of size² numbers, 3 size² in colour."""

    size: Annotated[int, within(2, 512)] = 16
    color: Literal["rgb", "gray"] = "gray"

    @property
    def dim(self) -> int:
        return self.size**2 * (3 if self.color == "rgb" else 1)

    @model_validator(mode="after")
    def _not_too_long(self) -> Options:
        if self.dim > LONGEST:
            raise ValueError(
                f"{self.size}×{self.size} in {self.color} is {self.dim} numbers, more than {LONGEST}"
            )
        return self


class Pixels:
    """Vectors with mean 0 and deviation 1, independent of brightness and contrast; 0 for a uniform image."""

    def __init__(self, options: Options) -> None:
        self.size, self.color, self.dim = options.size, options.color, options.dim
        self.fingerprint: dict[str, Any] = {}
        self.machine: dict[str, Any] = {}

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = images.reshape(len(images), self.dim).astype(np.float32)
        vectors -= vectors.mean(axis=1, keepdims=True)
        deviation = vectors.std(axis=1, keepdims=True)
        return np.asarray(np.divide(vectors, deviation, out=np.zeros_like(vectors), where=deviation > 0))


def load(options: dict[str, Any], device: object) -> Pixels:
    return Pixels(options_of("pixels", Options, options))
