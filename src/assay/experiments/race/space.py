"""The search space of the model track, keys of `train`: `race.space` of params.yaml.

lr: {low: 0.0005, high: 0.02, log: true}     a number in this range; whole for keys that take whole numbers
augment: [none, light, strong]               one of these
epochs: auto                                 from half to twice the baseline's
model: auto                                  the baseline's model and the built-in ones that suit task and image_size
model: [cnn, {cnn: {width: 64}}, probe]      names, or a name with its options
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assay import plugins, tasks
from assay.params import Params, Range, Space, Train

SMALL = 64
"""Image size in px: up to it the small network is tried, from it on the networks of torchvision."""
SMALL_MODELS: tuple[dict[str, Any], ...] = (
    {"cnn": {}},
    {"cnn": {"width": 16}},
    {"cnn": {"width": 64}},
    {"cnn": {"blocks": 4}},
)
LARGE_MODELS: tuple[str, ...] = ("resnet18", "mobilenet_v3_small", "efficientnet_b0")
Choices = Range | list[Any]


def resolve(space: Space, params: Params) -> dict[str, Choices]:
    """The space with `auto` resolved for a baseline, sorted by key; a model is a text such as `cnn {"width": 64}`.

    Without the keys that mean nothing to the task.
    """
    unused = getattr(tasks.load(params.task), "UNUSED", ())
    return {key: _choices(key, space[key], params) for key in sorted(space) if key not in unused}


def _choices(key: str, given: Range | list[Any] | str, params: Params) -> Choices:
    if isinstance(given, Range):
        return given
    found = about(key, params) if isinstance(given, str) else given
    return [model_text(model) for model in found] if key == "model" and isinstance(found, list) else found


def about(key: str, params: Params) -> Choices:
    """`auto`: a range around the value of the baseline."""
    train = params.train
    if key == "model":
        return suitable(params)
    if key == "epochs":
        return Range(low=float(max(1, train.epochs // 2)), high=float(2 * train.epochs))
    if key == "weight_decay":
        usual = train.weight_decay or 1e-3
        return Range(low=usual / 10, high=usual * 10, log=True)
    return Range(low=train.lr / 4, high=train.lr * 4, log=True)


def suitable(params: Params) -> list[dict[str, Any]]:
    """The model of the baseline, then the built-in ones for its task and image size.

    The probe is one of them unless the embeddings are the pixels.
    """
    train = params.train
    own = {train.model: dict(train.options)}
    if _small(params):
        others = [dict(model) for model in SMALL_MODELS]
    else:
        weights = {"weights": w} if (w := train.options.get("weights")) in ("none", "DEFAULT") else {}
        others = [{"torchvision": {"name": name, **weights}} for name in LARGE_MODELS]
    if params.embed.encoder != "pixels":
        others.append({"probe": {}})
    fit = [model for model in others if plugins.serves(next(iter(model)), params.task)]
    return [own, *(model for model in fit if model != own)]


def _small(params: Params) -> bool:
    """Whether the small network suits: by train.image_size, else by the model of the baseline."""
    train = params.train
    if train.image_size != "auto":
        return train.image_size < SMALL
    return train.model == "cnn" or (train.model == "probe" and params.embed.encoder == "pixels")


def model_text(model: str | Mapping[str, Any]) -> str:
    """`cnn`, `cnn {"width": 64}`: one text for one architecture."""
    name, options = (model, {}) if isinstance(model, str) else next(iter(model.items()))
    return f"{name} {json.dumps(options, sort_keys=True)}" if options else str(name)


def parse_model(text: str) -> tuple[str, dict[str, Any]]:
    name, _, options = text.partition(" ")
    return name, json.loads(options) if options else {}


def is_whole(key: str) -> bool:
    """Whether a key of `train` takes whole numbers."""
    return Train.model_fields[key].annotation is int


def apply(tried: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` params with the values of a trial."""
    train = {**(raw.get("train") or {}), **tried}
    if "model" in tried:
        train["model"], train["options"] = parse_model(tried["model"])
    return {**raw, "train": train}


def standing(choices: Mapping[str, Choices], train: Train) -> dict[str, Any] | None:
    """The baseline as a trial; None if it lies outside the space."""
    own: dict[str, Any] = {**train.model_dump(mode="json"), "model": model_text({train.model: train.options})}
    here = {key: own[key] for key in choices}
    inside = all(
        (choice.low <= here[key] <= choice.high) if isinstance(choice, Range) else here[key] in choice
        for key, choice in choices.items()
    )
    return here if inside else None
