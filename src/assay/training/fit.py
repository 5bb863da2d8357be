"""The training loop, in one function.

All random numbers come from generators seeded by (seed, purpose, epoch). A killed run therefore resumes from the last
checkpoint, written after a whole epoch, and ends with the same bits as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from assay.data.files import replacing
from assay.data.images.placement import Placement
from assay.errors import AssayError
from assay.params import Train
from assay.progress import Progress
from assay.training.augmentation import RECIPES, augment, canvases, resized
from assay.training.inputs import Inputs, outputs_of, to_device

Row = dict[str, float]
OnEpoch = Callable[[Row], None]
State = dict[str, Any]

SAVING = 0.05
"""Largest share of the training time for checkpoints: short epochs of a large model don't all write one."""

WARM_UP = 0.1
"""Share of all steps with a rising learning rate; after them it falls to 0 along a half cosine."""


@dataclass(frozen=True)
class Examples:
    """One split: n inputs and n targets of the task."""

    inputs: Inputs
    targets: Any
    """A sequence of n targets."""
    placement: Placement | None = None
    """Placement of the images on the inputs, for tasks whose targets have coordinates."""

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Fitted:
    """The weights of the best epoch, on the CPU, and one row of history per epoch."""

    weights: dict[str, torch.Tensor]
    best_epoch: int
    history: list[Row]


def fit(
    model: nn.Module,
    train: Examples,
    val: Examples | None,
    task: ModuleType,
    settings: Train,
    seed: int,
    checkpoint: Path,
    progress: Progress,
    on_epoch: OnEpoch | None = None,
) -> Fitted:
    """Train, and return the weights of the epoch with the least val loss; without val samples, of the last one.

    `on_epoch` is called with every row of the history, first with those of a checkpoint. AssayError if the loss is not
    finite.
    """
    device = pick_device(settings.device)
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_decayed(model, settings.weight_decay), lr=settings.lr, fused=True)
    half = settings.precision != "float32"
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "float16")
    objective = task.objective(train.targets, settings)
    steps = math.ceil(len(train) / settings.batch)
    sizes = canvases(train.placement.canvas, settings.scale) if train.placement and settings.scale else []

    history: list[Row] = []
    best: dict[str, torch.Tensor] = {}
    due = 0.0
    if (state := _resume(checkpoint, progress)) is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        history, best = state["history"], state["best"]
        for done in history:
            _tell(on_epoch, done)

    with progress.bar("training", len(train) * settings.epochs) as advance:
        advance(len(train) * len(history))
        for epoch in range(len(history) + 1, settings.epochs + 1):
            if _out_of_patience(history, settings.patience):
                break

            model.train()
            torch.manual_seed(derive(seed, "dropout", epoch))
            chance = torch.Generator().manual_seed(derive(seed, "augmentation", epoch))
            sizing = np.random.default_rng(derive(seed, "scale", epoch))
            order = np.random.default_rng(derive(seed, "order", epoch)).permutation(len(train))
            total = torch.zeros((), device=device)
            # batches of equal size: batch norm fails on a last batch of a single image
            for step, rows in enumerate(np.array_split(order, steps)):
                images = to_device(train.inputs.batch(rows), device)
                where = None if train.placement is None else train.placement.take(rows)
                if images.ndim == 4:
                    images, moved = augment(images, RECIPES[settings.augment], chance)
                    where = where and where.then(moved)
                if sizes:
                    canvas = sizes[sizing.integers(len(sizes))]
                    images, where = resized(images, canvas), where and where.stretched(canvas)
                targets = task.batch(train.targets, rows, where, device)
                rate = settings.lr * schedule((epoch - 1) * steps + step, settings.epochs * steps)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with torch.autocast(device.type, getattr(torch, settings.precision), enabled=half):
                    loss = objective(model, images, targets)
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                total += loss.detach() * len(rows)
                advance(len(rows))

            row = {"epoch": epoch, "lr": _short(rate), "train_loss": _short(total.item() / len(train))}
            if not math.isfinite(row["train_loss"]):
                checkpoint.unlink(missing_ok=True)
                raise diverged(epoch, settings)
            if val is not None:
                said = task.predict(outputs_of(model, val.inputs, settings.batch * 4, device), val.placement)
                scores = task.scores(said, val.targets)
                row |= {f"val_{name}": _short(value) for name, value in scores.items()}
            history.append(row)
            if val is None or best_epoch(history) == epoch:
                best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            _tell(on_epoch, row)
            if (begun := perf_counter()) >= due:
                _save(checkpoint, model, optimizer, scaler, history, best)
                due = perf_counter() + (perf_counter() - begun) / SAVING

    return Fitted(best, best_epoch(history), history)


def schedule(step: int, steps: int) -> float:
    """Factor of the learning rate: a linear warm-up, then a half cosine down to zero (Loshchilov & Hutter 2017)."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm + 1) / (steps - warm + 1)))


def best_epoch(history: list[Row]) -> int:
    """The first epoch with the least val loss; without val loss, the last epoch."""
    if not history or "val_loss" not in history[0]:
        return len(history)
    return int(min(history, key=lambda row: row["val_loss"])["epoch"])


def _out_of_patience(history: list[Row], patience: int) -> bool:
    return bool(history) and len(history) - best_epoch(history) >= patience


def derive(seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed for a purpose and an epoch: more draws for one purpose don't change the numbers of another."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()[:7], "big")


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA if available. AssayError for "cuda" without a CUDA device."""
    if name == "cuda" and not torch.cuda.is_available():
        raise AssayError("train.device is cuda, and torch sees no CUDA device here", hint="use auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Only deterministic algorithms, and `threads` threads, on which results depend; restored at the end."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # read when a model compiles itself
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    fill, torch.utils.deterministic.fill_uninitialized_memory = (  # type: ignore[attr-defined]
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        False,  # takes time, and would only reveal bugs of kernels
    )
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms imports the compiler: 4 s
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


def diverged(epoch: int, settings: Train) -> AssayError:
    half = settings.precision == "float16"
    return AssayError(
        f"training diverged: the loss of epoch {epoch} is not a number (train.lr {settings.lr:g}, "
        f"precision {settings.precision})",
        hint=f"lower train.lr, first by a factor of ten{', or use bfloat16 or float32' if half else ''}",
    )


def _decayed(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and filters; none for biases and norms."""
    params = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]


def _short(value: float) -> float:
    """Six significant digits, so that compared, shown and stored values are equal."""
    return float(f"{value:.6g}")


def _tell(on_epoch: OnEpoch | None, row: Row) -> None:
    if on_epoch is not None:
        on_epoch(dict(row))


def _save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    history: list[Row],
    best: dict[str, torch.Tensor],
) -> None:
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "history": history,
        "best": best,
    }
    with replacing(path) as aside:
        save(state, aside)


def save(state: State, path: Path) -> None:
    """`torch.save` through memory: on a full disk this raises OSError, torch itself another error."""
    stream = io.BytesIO()
    torch.save(state, stream)
    path.write_bytes(stream.getbuffer())


def _resume(path: Path, progress: Progress) -> State | None:
    """The state after the last epoch in the checkpoint; None if it is missing or damaged."""
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except Exception:  # for damaged files torch may raise any exception
        progress.say(f"the checkpoint {path} cannot be read: starting from the first epoch")
        return None
    progress.say(f"resuming after epoch {len(state['history'])}")
    return state
