"""A model folder of `train` as an MLflow model in the format `pt2` (torch.export): graph and weights, no code of assay.

Its input is that of `assay.training.inputs`, floats in 0…1 (n, c, h, w) or embeddings (n, d). Its output is what
`served` of the task makes of the model's outputs: probabilities (n, classes), expected counts (n, 1), probabilities at
each pixel (n, 1 + classes, h, w). The numbers of objects on two images differ, so a model of objects takes one image
and returns a row for each object (m, 6 + cells of its mask): the whole model is in the graph, suppression of what
overlaps included. The metadata of the MLmodel have the names of the classes and the kind of input.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import nn

from assay import tasks
from assay.errors import AssayError
from assay.training.predict import LoadedModel, load_model

if TYPE_CHECKING:
    from mlflow.models import Model

EXAMPLES = 2
"""Rows of the example input: torch.export would fix the batch size at 1."""
COUNTED = (
    "torchvision.ops.poolers",
    "torchvision.models.detection.rpn",
    "torchvision.models.detection.roi_heads",
)
"""Modules that take `len` of tensors whose length only the image decides."""
LOADER = "assay_graph_of_objects"
LOADING = '''"""Loads a graph with operators of torchvision, which the import of torchvision registers."""

import torchvision  # noqa: F401
from mlflow.pytorch import _load_pyfunc  # noqa: F401
'''


class Served(nn.Module):
    """A model with the output that it has for those who serve it."""

    def __init__(self, model: nn.Module, served: Callable[[Any], torch.Tensor]) -> None:
        super().__init__()
        self.model, self.served = model, served

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.served(self.model(inputs))


def served(model: LoadedModel) -> Served:
    """The module that is exported."""
    task = tasks.load(model.about["task"])
    return Served(model.module, getattr(task, "served", lambda outputs: outputs)).eval()


def export(folder: Path, to: Path, about: Model) -> None:
    """Write the MLflow model to `to`. AssayError if torch cannot export it."""
    model = load_model(folder)
    try:
        # of a model that it cannot export torch writes the whole graph to stderr
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), traceable():
            warnings.simplefilter("ignore")  # of the import of MLflow, and of the internals of torch.export
            _save(model, to, about)
    except Exception as error:  # torch.export may raise anything if a model cannot be traced
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AssayError(f"torch.export cannot export the model: {first[:300]}") from error


def _save(model: LoadedModel, to: Path, about: Model) -> None:
    import mlflow.pytorch
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    has_objects = tasks.has_objects(model.about["task"])
    module, shape, number = served(model), shape_of(model), np.dtype(np.float32)
    example = np.zeros((1 if has_objects else EXAMPLES, *shape), np.float32)
    with torch.inference_mode():
        made = module(torch.from_numpy(example)).shape[1:]
    rows = 1 if has_objects else -1
    given, found = (Schema([TensorSpec(number, size)]) for size in ((rows, *shape), (-1, *made)))
    mlflow.pytorch.save_model(
        module,
        to,
        mlflow_model=about,
        signature=ModelSignature(given, found),
        input_example=example,
        # without these, MLflow would load the model in another process to infer them
        pip_requirements=[
            *_pinned("torch", *(["torchvision"] if has_objects else [])),
            f"numpy=={np.__version__}",
        ],
        metadata={"categories": list(model.categories), **model.about["inputs"]},
        serialization_format="pt2",
    )
    if has_objects:
        _load_with_torchvision(to, about)


def _pinned(*names: str) -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name).split('+')[0]}" for name in names]


def _load_with_torchvision(to: Path, about: Model) -> None:
    """MLflow loads the graph by a module beside it: without torchvision its operators are unknown."""
    (to / "code").mkdir()
    (to / "code" / f"{LOADER}.py").write_text(LOADING)
    about.flavors["python_function"] |= {"loader_module": LOADER, "code": "code"}
    about.save(str(to / "MLmodel"))


def shape_of(model: LoadedModel) -> tuple[int, ...]:
    """Shape of one input."""
    inputs = model.inputs
    if inputs.kind == "embeddings":
        return (model.about["embedding_dim"],)
    return (3 if inputs.color == "rgb" else 1, *inputs.shape)


# --- torchvision's detectors in a graph


@contextmanager
def traceable() -> Iterator[None]:
    """Context in which models of objects can be traced: how many objects there are is known at run time only.

    torchvision asks for these numbers as Python ints: `batched_nms` to choose an algorithm by the number of boxes, the
    poolers by `len`, and the second stage whether there is any region. Each is replaced by what gives the same for any
    number; a network in two stages raises an error where its first stage proposes no region at all.
    """
    from torchvision.models.detection.rpn import RegionProposalNetwork
    from torchvision.ops import boxes as box_ops

    propose = RegionProposalNetwork.filter_proposals

    def some(network: Any, *given: Any) -> Any:
        regions, scores = propose(network, *given)
        for of_image in regions:
            torch._check(of_image.shape[0] > 0)
        return regions, scores

    with contextlib.ExitStack() as replaced:
        replaced.enter_context(patch.object(box_ops, "batched_nms", batched_nms))
        replaced.enter_context(patch.object(RegionProposalNetwork, "filter_proposals", some))
        for name in COUNTED:
            replaced.enter_context(patch.object(import_module(name), "len", length, create=True))
        yield


def length(of: Any) -> Any:
    """len(of), symbolic for a tensor in a trace."""
    return of.shape[0] if isinstance(of, torch.Tensor) else len(of)


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, overlap: float
) -> torch.Tensor:
    """Rows of boxes (m, 4) ≥ 0 that are kept, best first: `batched_nms` of torchvision for an m not known in advance.

    Each class is moved to a place of its own, in float64, where that changes no overlap. Two boxes that are dropped
    again are put in: torch.export takes it that the operator keeps two boxes or more.
    """
    corners = boxes.double()
    apart = corners.new_tensor([[-2.0, -2.0, -1.0, -1.0], [-4.0, -4.0, -3.0, -3.0]])
    extent = torch.cat([corners.flatten(), corners.new_zeros(1)]).max() + 1
    moved = torch.cat([corners + (classes * extent)[:, None], apart])
    ranked = torch.cat([scores.double(), corners.new_tensor([-1.0, -2.0])])
    kept: torch.Tensor = torch.ops.torchvision.nms(moved, ranked, overlap)
    return kept[kept < boxes.shape[0]]
