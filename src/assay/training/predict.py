"""Predictions of a saved model on images of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import nn

from assay import plugins, tasks
from assay.data.files import read_json
from assay.errors import AssayError, MissingInput, in_a_line
from assay.layout import Layout
from assay.models import ModelSpec
from assay.progress import Progress
from assay.training.fit import deterministic, pick_device
from assay.training.inputs import Inputs, InputSpec, open_inputs, outputs_of, placement_of


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model: the module in evaluation mode, and the content of model.json."""

    module: nn.Module
    about: dict[str, Any]

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(self.about["categories"])

    @property
    def inputs(self) -> InputSpec:
        return InputSpec(**self.about["inputs"])


def load_model(model_dir: Path) -> LoadedModel:
    """Read outputs/model, or a copy of it. MissingInput if a file is missing, AssayError if the weights don't fit."""
    about = read_json(model_dir / "model.json", made_by="train")
    weights = model_dir / "model.pt"
    if not weights.exists():
        raise MissingInput(f"{weights} is not there", hint="run `assay train` first, or `dvc pull`")
    spec = ModelSpec(
        outputs=tasks.load(about["task"]).outputs(about["categories"]),
        image_size=about["inputs"]["image_size"],
        color=about["inputs"]["color"],
        embedding_dim=about["embedding_dim"],
        # the initial weights are not needed, and may no longer exist
        options=about["options"] | ({"weights": "none"} if "weights" in about["options"] else {}),
    )
    with torch.random.fork_rng():
        module = plugins.load("models", about["model"]).build(spec)
    try:
        module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # for damaged files torch may raise any exception
        raise AssayError(
            f"{weights} does not fit the model {about['model']}: {in_a_line(error)}",
            hint="the file is damaged (`dvc checkout`), or the code of the model has changed since (train again)",
        ) from None
    return LoadedModel(module.eval(), about)


def predict_ids(
    model_dir: Path, ids: Sequence[str], layout: Layout, batch: int, progress: Progress
) -> tuple[pa.Table, tuple[str, ...]]:
    """Predictions of a saved model for `ids`, in their order, as columns of its task; and the model's categories."""
    model = load_model(model_dir)
    settings, task = model.about["train"], tasks.load(model.about["task"])
    device = pick_device("cpu" if settings["device"] == "cpu" else "auto")
    inputs = open_inputs(model.inputs, ids, layout, progress)
    module = model.module.to(device).to(memory_format=torch.channels_last)
    with deterministic(settings["threads"]), progress.bar("predicting", len(ids)) as advance:
        made = outputs_of(module, _Counted(inputs, advance), batch, device)
        said = task.predict(made, placement_of(model.inputs, ids, layout))
    return task.to_table(said, model.categories), model.categories


class _Counted:
    """Inputs that advance a progress bar."""

    def __init__(self, inputs: Inputs, advance: Any) -> None:
        self._inputs, self._advance = inputs, advance

    def __len__(self) -> int:
        return len(self._inputs)

    def batch(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        self._advance(len(rows))
        return self._inputs.batch(rows)
