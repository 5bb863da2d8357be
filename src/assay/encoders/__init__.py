"""Encoders: an image -> a vector in which likeness is nearness.

An encoder is one file with

    load(options, device) -> Encoder     ParamsError for options it does not have; device: "auto", "cpu", "cuda", …

`options` are those of `embed.options`. Encoders that compute with torch import it in that file only: the others
do not wait for it.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from assay.errors import ParamsError
from assay.params import Section
from assay.params.bounds import complaints

Options = TypeVar("Options", bound=Section)


class Encoder(Protocol):
    """A frozen function from images to vectors. The same batch gives the same vectors, bit for bit."""

    dim: int
    """Length of a vector."""
    size: int
    """Height and width of the images it takes."""
    color: Literal["rgb", "gray"]
    fingerprint: dict[str, Any]
    """What vectors depend on besides code and options: the digest of the weights. JSON."""
    machine: dict[str, Any]
    """What their last digits depend on: versions, device, threads. JSON."""

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3 or 1) -> (n, dim)."""
        ...


def options_of(encoder: str, model: type[Options], options: dict[str, Any]) -> Options:
    """The options of an encoder, checked. ParamsError names those that are wrong, and all that there are."""
    try:
        return model.model_validate(options)
    except ValidationError as error:
        wrong = "; ".join(complaints(error))
        valid = ", ".join(f"{name} (default {field.default!r})" for name, field in model.model_fields.items())
        raise ParamsError(f"embed.options of encoder {encoder!r}: {wrong}", hint=f"valid: {valid}") from None
