"""Every model that assay has can be exported for MLflow, and the graph returns what the model does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay import plugins, tasks
from assay.contracts.models import CLASSES
from assay.data.files import write_json
from assay.models import ModelSpec
from assay.tracking.exported import batched_nms, export, served
from assay.training.predict import load_model

CATEGORIES = ["a", "b", "c"][:CLASSES]
SIZE, DIM = 64, 5
SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"width": 4, "blocks": 1},
    "torchvision": {"name": "mobilenet_v3_small"},
    "torchvision_instances": {"most": 8},
    "torchvision_detector": {"most": 8},
}
"""Options with which a model is small."""
CASES = [(name, task) for name in plugins.names("models") for task in plugins.load("models", name).TASKS]

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch.export and of MLflow's import


def trained(folder: Path, model: str, task: str, **options: Any) -> Path:
    """A model folder as `assay train` writes it, with random weights."""
    plugin = plugins.load("models", model)
    given = {**SMALL.get(model, {}), **options}
    if "weights" in plugin.Options.model_fields:
        given["weights"] = "none"
    inputs = {
        "kind": plugin.INPUT,
        "image_size": SIZE,
        "color": "rgb",
        "encoder": None,
        "encoder_options": {},
    }
    about = {"model": model, "options": given, "task": task, "categories": CATEGORIES, "embedding_dim": DIM,
             "inputs": inputs, "train": {"device": "cpu", "threads": 1}}  # fmt: skip
    folder.mkdir()
    write_json(folder / "model.json", about)
    torch.manual_seed(0)
    built = plugin.build(ModelSpec(tasks.load(task).outputs(CATEGORIES), SIZE, "rgb", DIM, given))
    torch.save(built.state_dict(), folder / "model.pt")
    return folder


def images(model: str, n: int) -> torch.Tensor:
    torch.manual_seed(1)
    if plugins.load("models", model).INPUT == "embeddings":
        return torch.randn(n, DIM)
    return torch.rand(n, 3, SIZE, SIZE) * torch.linspace(0, 1, n)[:, None, None, None]


def between(folder: Path, batch: torch.Tensor) -> float:
    """A score that on half of the images something reaches, and on half of them nothing, unless all are alike."""
    with torch.inference_mode():
        best = [found["scores"].max().item() for found in load_model(folder).module(batch)]
    low, high = sorted(best)[len(best) // 2 - 1 : len(best) // 2 + 1]
    return (low + high) / 2 * (1 - 1e-6)


def of_each(model: Any, batch: torch.Tensor) -> Iterator[torch.Tensor]:
    with torch.inference_mode():
        yield from (model(one[None]) for one in batch)


@pytest.mark.parametrize(("model", "task"), [(m, t) for m, t in CASES if not tasks.has_objects(t)])
def test_every_model_is_exported_and_says_the_same(tmp_path: Path, model: str, task: str) -> None:
    import mlflow.pytorch
    from mlflow.models import Model

    batch, folder = images(model, 6), trained(tmp_path / "model", model, task)
    export(folder, tmp_path / "exported", Model())
    with torch.inference_mode():
        expected = served(load_model(folder))(batch)
        said = mlflow.pytorch.load_model(str(tmp_path / "exported"))(batch)
    assert said.numpy() == pytest.approx(expected.numpy(), abs=1e-6)
    signature = Model.load(str(tmp_path / "exported")).signature
    assert signature.inputs.inputs[0].shape == (-1, *batch.shape[1:])
    assert signature.outputs.inputs[0].shape == (-1, *expected.shape[1:])


TWO_STAGES, ANCHORS = "fasterrcnn_mobilenet_v3_large_320_fpn", "retinanet_resnet50_fpn"
OF_OBJECTS = [(model, {}) for model, task in CASES if tasks.has_objects(task)]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        *OF_OBJECTS,
        ("torchvision_detector", {"name": TWO_STAGES}),
        ("torchvision_detector", {"name": ANCHORS}),
    ],
)
def test_models_of_objects_likewise_an_image_at_a_time(
    tmp_path: Path, model: str, options: dict[str, Any]
) -> None:
    """With suppression of what overlaps, also where nothing is found."""
    import mlflow.pytorch
    from mlflow.models import Model

    (task,), batch = plugins.load("models", model).TASKS, images(model, 4)
    score = between(trained(tmp_path / "all", model, task, score=0.0, **options), batch)
    folder = trained(tmp_path / "model", model, task, score=score, **options)
    export(folder, tmp_path / "exported", Model())
    graph, ours = mlflow.pytorch.load_model(str(tmp_path / "exported")), served(load_model(folder))
    counts = []
    for rows, expected in zip(of_each(graph, batch), of_each(ours, batch), strict=True):
        assert rows.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
        counts.append(len(rows))
    assert max(counts) > 0
    assert min(counts) == 0 or "detector" in model, "SSD without training says the same of every image"
    signature = Model.load(str(tmp_path / "exported")).signature
    assert signature.inputs.inputs[0].shape == (1, 3, SIZE, SIZE)
    assert signature.outputs.inputs[0].shape == (-1, expected.shape[1])


def test_a_process_without_torchvision_loads_a_model_of_objects(tmp_path: Path) -> None:
    """`mlflow models serve` imports MLflow and nothing of ours."""
    from mlflow.models import Model

    folder = trained(tmp_path / "model", "lite0_detector", "detection", score=0.0, most=7)
    export(folder, tmp_path / "exported", Model())
    script = (
        "import sys, numpy as np, mlflow.pyfunc\n"
        "rows = mlflow.pyfunc.load_model(sys.argv[1]).predict(np.zeros((1, 3, 64, 64), np.float32))\n"
        "assert 'assay' not in sys.modules\n"
        "print(rows.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "exported")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "(7, 6)", done.stderr


@pytest.mark.parametrize("n", [0, 1, 2, 300])
def test_suppression_in_a_graph_is_that_of_torchvision(n: int) -> None:
    from torchvision.ops import boxes as box_ops

    rng = np.random.default_rng(n)
    corners = torch.tensor(rng.uniform(0, 50, (n, 2)).astype(np.float32))
    boxes = torch.cat([corners, corners + 20], 1)
    scores, classes = torch.tensor(rng.permutation(n) / 300), torch.tensor(rng.integers(0, 3, n))
    kept = batched_nms(boxes, scores, classes, 0.5)
    assert kept.tolist() == box_ops.batched_nms(boxes, scores.float(), classes, 0.5).tolist()
