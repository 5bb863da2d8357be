"""The contract of a model: see assay.models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from pydantic import BaseModel

from assay.contracts import Check, require
from assay.errors import ParamsError
from assay.models import ModelSpec, Pictures
from assay.plugins import literals, parsed

IMAGES, CLASSES = 4, 3
FEW = 5
"""Objects that a detector keeps of an image."""


def spec(**changes: Any) -> ModelSpec:
    """A small specification with CLASSES classes."""
    return ModelSpec(**{"outputs": CLASSES, "image_size": 32, "embedding_dim": 5} | changes)


def of_few(plugin: ModuleType) -> ModelSpec:
    """A small specification; a detector keeps few objects, as an untrained one detects thousands."""
    keeps = "most" in plugin.Options.model_fields
    return spec(options={"most": FEW} if keeps else {})


def inputs(plugin: ModuleType, one: ModelSpec) -> torch.Tensor:
    """(4, …): a batch of the kind INPUT."""
    if plugin.INPUT == "embeddings":
        return torch.rand(IMAGES, one.embedding_dim)
    return torch.rand(IMAGES, one.channels, one.image_size, one.image_size)


def it_says_what_it_sees(plugin: ModuleType) -> None:
    """INPUT is "pixels" or "embeddings"; for pixels, `suited` gives their size."""
    require(
        getattr(plugin, "INPUT", None) in ("pixels", "embeddings"),
        'INPUT is neither "pixels" nor "embeddings"',
    )
    if plugin.INPUT == "pixels":
        require(hasattr(plugin, "suited"), "INPUT is pixels, and there is no suited(options, training)")
        size = plugin.suited({}, Pictures(28, "gray")).size
        require(size >= 1, f"suited() asks for images of {size} px")


def it_says_which_tasks(plugin: ModuleType) -> None:
    """TASKS lists the tasks that it supports."""
    named = getattr(plugin, "TASKS", None)
    require(
        isinstance(named, tuple) and named and all(isinstance(name, str) for name in named),
        f'TASKS is {named!r}, not a tuple of names of tasks: ("classification",)',
    )
    written = literals(parsed(Path(str(plugin.__file__)).read_text(encoding="utf-8"))).get("TASKS")
    require(written == named, "TASKS is computed: write out the names, as assay reads them without an import")


def finds_objects(plugin: ModuleType) -> bool:
    """Whether it is a detector: see assay.tasks.detection, and assay.tasks.instance_segmentation."""
    return not {"detection", "instance_segmentation"}.isdisjoint(getattr(plugin, "TASKS", ()))


def outlines(plugin: ModuleType) -> bool:
    """Whether it returns a mask for each object."""
    return "instance_segmentation" in getattr(plugin, "TASKS", ())


def says_pixels(plugin: ModuleType) -> bool:
    """Whether it classifies pixels: see assay.tasks.semantic_segmentation."""
    return "semantic_segmentation" in getattr(plugin, "TASKS", ())


def it_learns_a_step(color: str) -> Callable[[ModuleType], None]:
    def check(plugin: ModuleType) -> None:
        one = spec(color=color)
        model = plugin.build(one).train()
        loss_of(plugin, model, inputs(plugin, one)).backward()  # type: ignore[no-untyped-call]
        without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        require(not without, f"no gradient reaches {', '.join(without)}")

    check.__name__ = f"it_learns_a_step_from_{color}_images"
    check.__doc__ = (
        f"{color} images give logits (n, classes), of each pixel where those are classified, or a detector's loss; "
        "each parameter gets a gradient."
    )
    return check


def loss_of(plugin: ModuleType, model: Any, images: torch.Tensor) -> torch.Tensor:
    """A scalar loss. Broken if the model's result has a wrong shape or value."""
    if finds_objects(plugin):
        loss: torch.Tensor = model.loss(images, [objects() for _ in images])
        require(loss.shape == () and loss.isfinite(), f"the loss is {loss}, not a finite scalar")
        return loss
    logits = model(images)
    shape, expected = (
        tuple(logits.shape),
        (IMAGES, CLASSES, *(images.shape[2:] if says_pixels(plugin) else ())),
    )
    require(shape == expected, f"logits are {shape}, not {expected}")
    return logits.square().sum()  # type: ignore[no-any-return]


def objects() -> dict[str, torch.Tensor]:
    """Targets of a detector: two objects on an image of 32 × 32 px."""
    boxes = torch.tensor([[4.0, 6.0, 20.0, 28.0], [10.0, 2.0, 30.0, 12.0]])
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    labels = torch.tensor([0, CLASSES - 1])
    return {"boxes": boxes, "labels": labels, "ignore": torch.zeros(0, 4), "masks": masks}


def a_seed_repeats(plugin: ModuleType) -> None:
    """The same seed of torch builds the same weights."""

    def built(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.detach().flatten() for p in plugin.build(spec()).parameters()])

    require(
        torch.equal(built(0), built(0)), "two builds with one seed differ: draw from torch's generator only"
    )


def options_are_checked(plugin: ModuleType) -> None:
    """Options is a pydantic model, and build refuses an unknown key with ParamsError."""
    require(isinstance(getattr(plugin, "Options", None), type), "there is no class Options")
    require(issubclass(plugin.Options, BaseModel), "Options is no pydantic model")
    try:
        plugin.build(spec(options={"no_such_option": 1}))
    except ParamsError as error:
        require("train.options.no_such_option" in str(error), f"the refusal does not name the key: {error}")
        return
    require(False, "build accepts an unknown option: use parse_options(Options, spec.options, NAME)")


def an_image_is_judged_alone(plugin: ModuleType) -> None:
    """In evaluation mode, a prediction does not depend on the other images of the batch."""
    one = of_few(plugin)
    torch.manual_seed(0)
    model = plugin.build(one).eval()
    batch = inputs(plugin, one)
    with torch.inference_mode():
        together, alone = model(batch)[:1], model(batch[:1])
    if finds_objects(plugin):
        together, alone = together[0]["scores"], alone[0]["scores"]
    require(
        together.shape == alone.shape and torch.allclose(together, alone, atol=1e-4),
        "in eval(), the prediction for an image depends on the other images of the batch",
    )


def boxes_are_in_order(plugin: ModuleType) -> None:
    """A detector returns boxes, scores and labels of each image, best first, in px of the image; masks likewise."""
    if not finds_objects(plugin):
        return
    one = of_few(plugin)
    torch.manual_seed(0)
    with torch.inference_mode():
        model, images = plugin.build(one).eval(), inputs(plugin, one)
        said = model(images)
        require(len(model(images[:0])) == 0, "of no images there are results: a split may have none")
    require(len(said) == IMAGES, f"{len(said)} results of {IMAGES} images")
    for found in said:
        boxes, scores, labels = (found[name] for name in ("boxes", "scores", "labels"))
        require(boxes.shape == (len(scores), 4), f"boxes are {tuple(boxes.shape)} of {len(scores)} scores")
        require(bool((scores.diff() <= 0).all()), "the scores are not in descending order")
        require(bool(((labels >= 0) & (labels < CLASSES)).all()), "a label is no class index")
        if outlines(plugin):
            _masks_are_of_objects(found)
            continue
        require(
            bool(
                ((boxes >= -1) & (boxes <= one.image_size + 1)).all() and (boxes[:, 2:] >= boxes[:, :2]).all()
            ),
            "a box is not x₁, y₁, x₂, y₂ within the image",
        )


def _masks_are_of_objects(found: dict[str, torch.Tensor]) -> None:
    masks = found.get("masks")
    require(masks is not None, "there are no masks")
    assert masks is not None
    require(
        masks.ndim == 3 and len(masks) == len(found["scores"]) and masks.shape[1] == masks.shape[2],
        f"masks are {tuple(masks.shape)}, not (m, s, s) of {len(found['scores'])} objects",
    )
    require(bool(((masks >= 0) & (masks <= 1)).all()), "a mask is not in 0…1")


CHECKS: tuple[Check, ...] = (
    it_says_what_it_sees,
    it_says_which_tasks,
    it_learns_a_step("rgb"),
    it_learns_a_step("gray"),
    a_seed_repeats,
    options_are_checked,
    an_image_is_judged_alone,
    boxes_are_in_order,
)
