"""Encoders: image -> vector; similar images have near vectors.

An encoder is one file with

    load(options, device) -> Encoder     ParamsError for options it does not have; device: "auto", "cpu", "cuda", …

`options`: `embed.options`. An encoder that uses torch imports it in its own file, so that the others start without it.
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
    """A fixed function from images to vectors. The same batch gives bitwise the same vectors."""

    dim: int
    """Length of a vector."""
    size: int
    """Height and width of its input images, in px."""
    color: Literal["rgb", "gray"]
    fingerprint: dict[str, Any]
    """What vectors depend on besides code and options, such as the digest of the weights; JSON-able."""
    machine: dict[str, Any]
    """What rounding depends on: versions, device, threads; JSON-able."""

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3 or 1) -> (n, dim)."""
        ...


def options_of(encoder: str, model: type[Options], options: dict[str, Any]) -> Options:
    """The validated options of an encoder. ParamsError names the wrong and all valid ones."""
    try:
        return model.model_validate(options)
    except ValidationError as error:
        wrong = "; ".join(complaints(error))
        valid = ", ".join(f"{name} (default {field.default!r})" for name, field in model.model_fields.items())
        raise ParamsError(f"embed.options of encoder {encoder!r}: {wrong}", hint=f"valid: {valid}") from None
