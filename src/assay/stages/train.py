"""train: learn from the selection -> outputs/model (model.pt, model.json) and outputs/history.csv."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from rich.console import Console

from assay import tasks
from assay.data.files import fresh_dir, read_table, write_bytes, write_json
from assay.errors import GateError, MissingInput
from assay.layout import Layout
from assay.lineage.digests import canonical_digest, code_of
from assay.models import ModelSpec
from assay.params import Params
from assay.progress import Progress
from assay.training.build import build, examples, specify
from assay.training.fit import Fitted, OnEpoch, Row, deterministic, fit, pick_device, save
from assay.training.inputs import InputSpec


def run(
    params: Params, layout: Layout, progress: Progress, on_epoch: OnEpoch | None = None
) -> dict[str, Any]:
    """Train and write the model of the best epoch. A killed run carries on where it was.

    `on_epoch` is called with every row of the history as it comes.
    """
    table = read_table(layout.selection / "train.parquet", made_by="select")
    categories, digest = about_selection(table, layout)
    task = tasks.load(params.task)
    check_enough(table, categories, params.task, progress)
    learnt_from = table.filter(pc.equal(table["split"], "train"))["id"]
    spec, inputs = specify(params, categories, layout, learnt_from)
    checkpoint = layout.scratch / "checkpoints" / f"{run_key(params, digest)}.pt"
    _forget_others(checkpoint)
    with deterministic(params.train.threads):
        train, val = (
            examples(table, split, categories, inputs, layout, progress, task) for split in ("train", "val")
        )
        assert train is not None
        model = build(params, spec, train)
        started = perf_counter()
        fitted = fit(model, train, val, task, params.train, params.seed, checkpoint, progress, on_epoch)
        seconds = perf_counter() - started
    write_outputs(layout, fitted, describe(params, spec, inputs, categories, digest, fitted))
    checkpoint.unlink(missing_ok=True)
    return summarise(params, fitted, len(train), len(val) if val else 0, seconds)


def about_selection(table: pa.Table, layout: Layout) -> tuple[list[str], str]:
    """(categories, digest) as select left them in the schema of train.parquet."""
    held = table.schema.metadata or {}
    if b"categories" not in held or b"digest" not in held:
        file = layout.selection / "train.parquet"
        raise MissingInput(f"{file} does not say its categories and digest", hint="run `assay select` again")
    return json.loads(held[b"categories"]), held[b"digest"].decode()


def check_enough(table: pa.Table, categories: list[str], task: str, progress: Progress) -> None:
    """GateError when there is nothing to learn a difference from; a remark where classes have no example."""
    labels = table.filter(pc.equal(table["split"], "train"))["label"].to_pylist()
    shown = {name for label in labels for name in tasks.load(task).classes(label)}
    if tasks.takes_tag(task, "1"):
        enough, least = len(set(labels)) > 1, "label at least one image each of two classes"
    else:  # one image with an object shows a background too
        enough, least = bool(shown), "annotate at least one image with an object"
    if not enough:
        raise GateError(
            f"there is too little to learn from: {len(labels)} labelled training images of {len(shown)} classes",
            hint=f"{least}: `assay queue` lists the next ones to label",
        )
    if without := [category for category in categories if category not in shown]:
        progress.say(f"no training image of {', '.join(without)}: the model cannot learn to see these")
    if len(labels) == len(table):
        progress.say("no labelled val image: no early stopping, all epochs are run and the last one is kept")


def run_key(params: Params, digest: str) -> str:
    """Names a run: what it learns from, all params that steer it, and the code; only its own checkpoint fits it."""
    steering = params.model_dump(mode="json", include={"task", "seed", "train", "embed"})
    device = pick_device(params.train.device).type
    code = code_of("assay.training.build", f"assay.models.{params.train.model}", f"assay.tasks.{params.task}")
    return canonical_digest([digest, steering, device, torch.__version__, code])[:32]


def _forget_others(checkpoint: Path) -> None:
    """One workspace trains one model at a time: what other runs left when they were killed only fills the disk."""
    for other in checkpoint.parent.glob("*.pt*"):
        if other != checkpoint:
            other.unlink(missing_ok=True)


def describe(
    params: Params, spec: ModelSpec, inputs: InputSpec, categories: list[str], digest: str, fitted: Fitted
) -> dict[str, Any]:
    """The content of model.json: all that is needed to predict, and where the weights come from."""
    return {
        "task": params.task,
        "model": params.train.model,
        "options": spec.options,
        "categories": categories,
        "image_size": inputs.image_size,
        "color": inputs.color,
        "embedding_dim": spec.embedding_dim,
        "inputs": {
            "kind": inputs.kind,
            "image_size": inputs.image_size,
            "color": inputs.color,
            "encoder": inputs.encoder,
            "encoder_options": inputs.encoder_options,
            "fit": inputs.fit,
            "canvas": inputs.canvas,
        },
        "seed": params.seed,
        "train": params.train.model_dump(mode="json"),
        "selection": digest,
        "epochs_run": len(fitted.history),
        "best_epoch": fitted.best_epoch,
    }


def write_outputs(layout: Layout, fitted: Fitted, about: dict[str, Any]) -> None:
    with fresh_dir(layout.outputs / "model") as folder:
        save(fitted.weights, folder / "model.pt")
        write_json(folder / "model.json", about)
    write_bytes(layout.outputs / "history.csv", history_csv(fitted.history))


def history_csv(history: list[Row]) -> bytes:
    """One line an epoch."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return stream.getvalue().encode()


def summarise(params: Params, fitted: Fitted, train: int, val: int, seconds: float) -> dict[str, Any]:
    """For the person at the terminal; the seconds are not written anywhere."""
    best = fitted.history[fitted.best_epoch - 1]
    return {
        "model": params.train.model,
        "train": train,
        "val": val,
        "parameters": sum(tensor.numel() for tensor in fitted.weights.values()),
        "epochs_run": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "stopped_early": len(fitted.history) < params.train.epochs,
        "best": best,
        "seconds": round(seconds, 2),
    }


def render(summary: dict[str, Any], console: Console) -> None:
    """Two lines: how long, and how good."""
    stopped = ", stopped early" if summary["stopped_early"] else ""
    console.print(
        f"{summary['model']} ({summary['parameters']:,} numbers) learnt from [bold]{summary['train']:,}[/] images: "
        f"{summary['epochs_run']} epochs in {summary['seconds']:.1f} s{stopped}"
    )
    best = ", ".join(
        f"{name} {value:g}" for name, value in summary["best"].items() if name not in ("epoch", "lr")
    )
    console.print(f"kept epoch {summary['best_epoch']}: {best}")
