"""Training throughput of detectors: our loop, and the reference loop of torchvision, images per second.

Both train the same model on the same JPEGs with the same augmentation (`flips`) and threads. The reference loop decodes
with PIL, transforms tv_tensors image by image, collates lists and steps with SGD (torchvision's references/detection).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from assay import plugins
from assay.data.pool import Pool
from assay.layout import Layout
from assay.models import ModelSpec
from assay.params import Train, parse_params
from assay.progress import silent
from assay.stages import ingest
from assay.tasks import detection
from assay.training.augmentation import RECIPES
from assay.training.fit import Examples
from assay.training.inputs import InputSpec, open_inputs, placement_of
from benchmarks.figures import Figure
from benchmarks.subjects import Measured, Setting
from benchmarks.training import timed_epochs, timed_fit

CLASSES = ("disc", "square")
HEIGHT, WIDTH = 480, 640
OBJECTS = 8
"""Per image."""
SIZE = 320
"""px of the longer side that the models see."""
CANVAS = (256, 320)
BATCH = 4
EPOCHS, BEFORE = 3, 1
"""Epochs, and how many do not count: the first warms up."""
WORKERS = (0, 1, 2)
Loop = Callable[[], list[float]]


@dataclass(frozen=True)
class Case:
    """A model, and the number of images of an epoch."""

    model: str
    options: dict[str, Any]
    images: int

    @property
    def settings(self) -> Train:
        chosen = {"model": self.model, "options": self.options, "epochs": EPOCHS, "patience": EPOCHS}
        return Train.model_validate(
            {**chosen, "batch": BATCH, "image_size": SIZE, "augment": "flips", "lr": 1e-4}
        )

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        model: nn.Module = plugins.load("models", self.model).build(
            ModelSpec(len(CLASSES), SIZE, "rgb", 0, self.options)
        )
        return model


CASES = (
    Case("torchvision_detector", {"name": "ssdlite320_mobilenet_v3_large"}, 64),
    Case("lite0_detector", {"weights": "none"}, 32),
)


def measure(setting: Setting) -> Measured:
    raw = setting.folder / "raw"
    write_images(raw, max(case.images for case in CASES))
    layout = Layout(setting.folder)
    source = {"name": "raw", "format": "coco", "path": "raw/instances.json"}
    ingest.run(parse_params({"ingest": {"sources": [source]}}), layout, silent)
    cases = CASES[:1] if setting.quick else CASES
    about = {
        "images": f"JPEGs {WIDTH} × {HEIGHT} px, seen at {SIZE}",
        "batch": BATCH,
        "threads": Train().threads,
    }
    return [_compare(case, layout, raw, setting) for case in cases], about


def write_images(folder: Path, count: int) -> None:
    """JPEGs with discs and squares on noise, and their boxes as COCO's JSON."""
    folder.mkdir(parents=True)
    images, notes = [], []
    for number in range(count):
        pixels, boxes = _scene(np.random.default_rng(number))
        Image.fromarray(pixels).save(folder / f"{number:03d}.jpg", quality=90)
        images.append({"id": number, "file_name": f"{number:03d}.jpg", "height": HEIGHT, "width": WIDTH})
        notes += [{"image_id": number, "category_id": k, "bbox": box} for k, box in boxes]
    numbered = [{"id": n, **note} for n, note in enumerate(notes)]
    categories = [{"id": k, "name": name} for k, name in enumerate(CLASSES)]
    text = json.dumps({"images": images, "annotations": numbered, "categories": categories})
    (folder / "instances.json").write_text(text)


def _scene(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, list[float]]]]:
    """(HEIGHT, WIDTH, 3) uint8, and (class, x, y, width, height) of its objects."""
    coarse = rng.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT))).copy()
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    boxes = []
    for _ in range(OBJECTS):
        half, kind = int(rng.integers(15, 60)), int(rng.integers(2))
        x, y = int(rng.integers(half, WIDTH - half)), int(rng.integers(half, HEIGHT - half))
        far = np.abs(across - x), np.abs(down - y)
        there = np.maximum(*far) < half if kind else np.hypot(*far) < half
        pixels[there] = rng.integers(0, 256, 3)
        boxes.append((kind, [float(x - half), float(y - half), 2.0 * half, 2.0 * half]))
    return pixels, boxes


def _compare(case: Case, layout: Layout, raw: Path, setting: Setting) -> Figure:
    """Images per second of each loop, in alternating runs."""
    count = 2 * BATCH if setting.quick else case.images
    examples = _examples(count, layout)
    data = Photographs(raw, count)
    loops: dict[str, Loop] = {
        "ours": partial(_ours, case, examples, layout),
        **{f"reference, {n} workers": partial(_reference, case, data, n) for n in WORKERS},
    }
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(setting.repeats(2)):
        for name, loop in loops.items():
            taken[name] += loop()[BEFORE:]
    speed = {name: count / median(times) for name, times in taken.items()}
    best = max((name for name in speed if name != "ours"), key=lambda name: speed[name])
    return Figure(
        f"{case.model}: ours / torchvision's reference loop",
        speed["ours"] / speed[best],
        "at least",
        1.3,
        "×",
        {f"{name}, images a second": speed[name] for name in ("ours", best)},
    )


def _examples(count: int, layout: Layout) -> Examples:
    """Examples as in the stage `train`: rows of the decoded cache, and where the images are on it."""
    pool = Pool.open(layout.pool)
    notes = dict(zip(pool.imports["id"].to_pylist(), pool.imports["annotations"].to_pylist(), strict=True))
    ids = sorted(notes)[:count]
    spec = InputSpec("pixels", SIZE, "rgb", fit="letterbox", canvas=CANVAS)
    targets = detection.targets([notes[sample] for sample in ids], CLASSES)
    return Examples(open_inputs(spec, ids, layout, silent), targets, placement_of(spec, ids, layout))


def _ours(case: Case, examples: Examples, layout: Layout) -> list[float]:
    return timed_fit(case.build(), examples, detection, case.settings, layout)


class Photographs(torch.utils.data.Dataset[Any]):
    """Images and targets one by one, as torchvision's CocoDetection with v2 transforms gives them."""

    def __init__(self, folder: Path, count: int) -> None:
        held = json.loads((folder / "instances.json").read_text())
        self.files = [folder / image["file_name"] for image in held["images"][:count]]
        self.notes: list[list[dict[str, Any]]] = [[] for _ in held["images"]]
        for note in held["annotations"]:
            self.notes[note["image_id"]].append(note)
        recipe = RECIPES["flips"]
        self.transform = v2.Compose(
            [
                v2.ToImage(),
                v2.Resize((SIZE * HEIGHT // WIDTH, SIZE)),
                v2.Pad((0, (CANVAS[0] - SIZE * HEIGHT // WIDTH) // 2)),
                v2.RandomHorizontalFlip(),
                v2.RandomAffine(recipe.angle, (recipe.shift,) * 2, (1 - recipe.scale, 1 + recipe.scale)),
                v2.SanitizeBoundingBoxes(),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        notes = self.notes[row]
        corners = [[x, y, x + w, y + h] for x, y, w, h in (note["bbox"] for note in notes)]
        boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(HEIGHT, WIDTH))
        labels = torch.tensor([note["category_id"] for note in notes])
        image, target = self.transform(
            Image.open(self.files[row]).convert("RGB"), {"boxes": boxes, "labels": labels}
        )
        return image, {**target, "ignore": torch.zeros(0, 4)}


def _reference(case: Case, data: Photographs, workers: int) -> list[float]:
    """Seconds of each epoch of the reference loop, with a collated batch as the model takes it."""
    loader = torch.utils.data.DataLoader(
        data,
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=lambda pairs: tuple(zip(*pairs, strict=True)),
    )
    model = case.build()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    detect: Any = model.loss

    def loss(images: Sequence[torch.Tensor], targets: Sequence[Any]) -> torch.Tensor:
        value: torch.Tensor = detect(torch.stack(list(images)), list(targets))
        return value

    return timed_epochs(model, optimizer, lambda: loader, loss, case.settings)
