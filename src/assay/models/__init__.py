"""Models: what is trained.

A model is one file with

    INPUT: "pixels" | "embeddings"      what a batch is: floats in 0…1 (n, c, size, size), or vectors (n, d)
    TASKS: tuple[str, ...]              the tasks it can be built for; a task of one's own names others in MODELS
    class Options(pydantic.BaseModel)   train.options of params.yaml, extra keys forbidden
    ANY_SIZE: bool                      optional: whether a batch may have another size, in sides of 32 px: train.scale
    build(spec) -> torch.nn.Module      randomly initialised (the loop seeds torch before) or with given weights;
                                        returns what the task asks of a model: (n, outputs), of a classifier logits;
                                        of a detector see assay.tasks.detection

and, where the model wants to see its inputs once before the first epoch,

    prepare(module, batches) -> None    e.g. to standardise with the statistics of the training images

and, where it sees pixels, what train.image_size and train.color come to where they are `auto`:

    suited(options, training) -> Pictures     `training`: what the training images are

Normalisation belongs inside the module: a model folder is then all that is needed to predict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from assay.data.images.placement import Fit
from assay.errors import ParamsError
from assay.params.bounds import complaints

O = TypeVar("O", bound=BaseModel)  # noqa: E741


@dataclass(frozen=True)
class Pictures:
    """Images that a model is fed with, or the median of the training images' longer sides in px."""

    size: int
    color: Literal["rgb", "gray"]
    fit: Fit = "squeeze"
    """letterbox: the canvas has the median shape of the training images, `size` is its longer side."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model has to fit: its outputs, its inputs, and the options a person chose for it."""

    outputs: int
    """Numbers for each image: of a classifier a logit for each class."""
    image_size: int
    """px, the longer side."""
    color: Literal["rgb", "gray"] = "rgb"
    embedding_dim: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        return 3 if self.color == "rgb" else 1


def parse_options(options: type[O], given: dict[str, Any], model: str) -> O:
    """A model's checked options. ParamsError names the key, what is wrong, and the keys there are."""
    try:
        return options.model_validate(given)
    except ValidationError as error:
        lines = complaints(error, "  train.options.")
        valid = ", ".join(f"{k} (default {f.default!r})" for k, f in options.model_fields.items()) or "none"
        raise ParamsError(
            f"train.options do not fit the model {model}:\n" + "\n".join(lines), hint=f"valid keys: {valid}"
        ) from None
