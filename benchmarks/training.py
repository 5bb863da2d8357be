"""Training throughput: our loop, a plain loop over image files, and a loop over tensors in memory.

All train the same model on the same images with the same threads. With augmentation: ours (batched tensors) and
ImageFolder with the same augmentation as PIL transforms and a DataLoader. Without: ours and float tensors in memory, in
the same memory format and with the same optimizer; the difference is the overhead of our loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.transforms import v2

from assay import plugins
from assay.data.pool import Pool
from assay.layout import Layout
from assay.models import ModelSpec
from assay.params import Train, parse_params
from assay.progress import silent
from assay.stages import ingest
from assay.training.augmentation import RECIPES
from assay.training.fit import Examples, deterministic, fit
from assay.training.inputs import InputSpec, open_inputs, to_device
from benchmarks.figures import Figure
from benchmarks.pictures import SIZE, write_folders
from benchmarks.subjects import Measured, Setting

CLASSES = 10
WORKERS = (0, 1, 2)


@dataclass(frozen=True)
class Case:
    """A model and the number of images of an epoch."""

    name: str
    model: str
    options: dict[str, Any]
    color: Literal["gray", "rgb"]
    images: int

    def settings(self, augment: str) -> Train:
        options = {"model": self.model, "options": self.options, "color": self.color, "augment": augment}
        return Train.model_validate({**options, "image_size": SIZE, "epochs": EPOCHS, "patience": EPOCHS})

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        spec = ModelSpec(CLASSES, SIZE, self.color, 0, self.options)
        model: nn.Module = plugins.load("models", self.model).build(spec)
        return model


CASES = (
    Case("cnn", "cnn", {}, "gray", 4000),
    Case("resnet18", "torchvision", {"name": "resnet18"}, "rgb", 256),
)
EPOCHS, BEFORE = 3, 2
"""Epochs, and how many do not count: the first warms up; the first checkpoint is in the second, a fifth of an
epoch as short as this. In longer trainings checkpoints take at most `training.SAVING` of the time."""


def measure(setting: Setting) -> Measured:
    raw = setting.folder / "raw"
    images = write_folders(raw, setting.images(max(case.images for case in CASES)), setting.idx)
    layout = Layout(setting.folder)
    source = {"name": "raw", "format": "imagefolder", "path": "raw"}
    ingest.run(parse_params({"ingest": {"sources": [source]}}), layout, silent)
    cases = CASES[:1] if setting.quick else CASES
    found = [figure for case in cases for figure in _compare(case, layout, raw, setting)]
    return found, {"images": images, "batch": Train().batch, "threads": Train().threads}


def _compare(case: Case, layout: Layout, raw: Path, setting: Setting) -> list[Figure]:
    """Images per second of each loop, in alternating runs."""
    count = setting.images(case.images)
    examples = _examples(case, count, layout)
    folder = _folder(case, count, raw)
    loops: dict[str, Callable[[], list[float]]] = {
        "ours": partial(_ours, case, "light", examples, layout),
        **{f"plain, {n} workers": partial(_plain, case, folder, n) for n in WORKERS},
        "ours, not augmented": partial(_ours, case, "none", examples, layout),
        "bare": partial(_bare, case, examples),
    }
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(setting.repeats(2)):
        for name, loop in loops.items():
            taken[name] += loop()[BEFORE:]
    speed = {name: count / median(times) for name, times in taken.items()}
    plain = {name: value for name, value in speed.items() if name.startswith("plain")}
    best = max(plain, key=lambda name: plain[name])
    return [
        Figure(
            f"{case.name}: ours / ImageFolder + PIL + DataLoader",
            speed["ours"] / speed[best],
            "at least",
            1.5,
            "×",
            {"ours, images a second": speed["ours"], f"{best}, images a second": speed[best]},
        ),
        Figure(
            f"{case.name}: ours / tensors in memory, neither augmented",
            speed["ours, not augmented"] / speed["bare"],
            "at least",
            0.9,
            "×",
            {"ours, images a second": speed["ours, not augmented"], "bare, images a second": speed["bare"]},
        ),
    ]


def _examples(case: Case, count: int, layout: Layout) -> Examples:
    """Examples as in the stage `train`: rows of the decoded, memory-mapped cache."""
    pool = Pool.open(layout.pool)
    ids = sorted(pool.ids)[:count]
    inputs = open_inputs(InputSpec("pixels", SIZE, case.color), ids, layout, silent)
    return Examples(inputs, np.arange(len(ids), dtype=np.int64) % CLASSES)


def _ours(case: Case, augment: str, examples: Examples, layout: Layout) -> list[float]:
    return timed_fit(
        case.build(), examples, plugins.load("tasks", "classification"), case.settings(augment), layout
    )


def _folder(case: Case, count: int, raw: Path) -> torch.utils.data.Dataset[Any]:
    """Our augmentation `light` image by image, as in torchvision's references."""
    recipe = RECIPES["light"]
    moves = v2.RandomAffine(recipe.angle, (recipe.shift,) * 2, (1 - recipe.scale, 1 + recipe.scale))
    grey = [v2.Grayscale()] if case.color == "gray" else []
    transform = v2.Compose(
        [*grey, v2.Resize((SIZE, SIZE)), moves, v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    )
    images = torchvision.datasets.ImageFolder(raw, transform)
    spread = np.linspace(0, len(images) - 1, count).astype(int).tolist()
    return torch.utils.data.Subset(images, spread)


def _plain(case: Case, folder: torch.utils.data.Dataset[Any], workers: int) -> list[float]:
    """Seconds of each epoch of a loop as in tutorials."""
    settings = case.settings("light")
    loader = torch.utils.data.DataLoader(
        folder, settings.batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    model = case.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr)
    return timed_epochs(model, optimizer, lambda: loader, partial(_cross_entropy, model), settings)


def _bare(case: Case, examples: Examples) -> list[float]:
    settings = case.settings("none")
    images = to_device(examples.inputs.batch(np.arange(len(examples))), torch.device("cpu"))
    targets = torch.from_numpy(examples.targets)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for rows in torch.split(torch.randperm(len(targets)), settings.batch):
            yield images[rows], targets[rows]

    model = case.build().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, fused=True)
    return timed_epochs(model, optimizer, batches, partial(_cross_entropy, model), settings)


def _cross_entropy(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(model(images), targets)


def timed_fit(
    model: nn.Module, examples: Examples, task: ModuleType, settings: Train, layout: Layout
) -> list[float]:
    """Seconds of each epoch of `training.fit`, with checkpoints and deterministic algorithms."""
    checkpoint, marks = layout.scratch / "benchmark.pt", [perf_counter()]
    with deterministic(settings.threads):
        fit(
            model,
            examples,
            None,
            task,
            settings,
            seed=0,
            checkpoint=checkpoint,
            progress=silent,
            on_epoch=lambda _row: marks.append(perf_counter()),
        )
    checkpoint.unlink(missing_ok=True)
    return [float(one) for one in np.diff(marks)]


def timed_epochs(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Callable[[], Iterable[tuple[Any, Any]]],
    loss: Callable[[Any, Any], torch.Tensor],
    settings: Train,
) -> list[float]:
    """Seconds of each epoch of a loop as in tutorials. `batches()` yields (images, targets) of an epoch."""
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    model.train()
    marks = [perf_counter()]
    for _ in range(settings.epochs):
        for images, targets in batches():
            value = loss(images, targets)
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        marks.append(perf_counter())
    torch.set_num_threads(before)
    return [float(one) for one in np.diff(marks)]
