"""A small project of real digits, a quarter of the labels wrong, as ingest to select leave it; simulated trainings."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from assay.annotators import oracle
from assay.experiments.cells import Cell, CellResult, own_cell
from assay.experiments.race import answers, data_track, standing
from assay.experiments.race.training_order import RaceResult, RaceSetup, RaceTraining
from assay.experiments.sides import Side
from assay.layout import Layout
from assay.metrics.classification import Classified
from assay.metrics.judged import measure
from assay.params import Params, load_params
from assay.progress import silent
from assay.stages import audit, curate, embed, ingest, select

PARAMS = {
    "ingest": {
        "sources": [
            {"name": "digits", "format": "demo",
             "options": {"images": 1000, "wrong_labels": 0.25, "hidden": 0.6, "blank": 4}},
        ],
    },
    "curate": {"splits": {"train": 0.6, "val": 0.2, "test": 0.2}},
    "select": {"annotator": "oracle", "budget": 20, "ruler_halfwidth": 0.4},
    "train": {"epochs": 4, "image_size": 28, "color": "gray", "threads": 1},
    "race": {"steps": 2, "labels_per_step": 30, "seeds": 3},
}  # fmt: skip


@pytest.fixture(scope="session")
def side(tmp_path_factory: pytest.TempPathFactory) -> Side:
    """The project. Nothing was trained in it."""
    layout = Layout(tmp_path_factory.mktemp("race") / "project")
    layout.root.mkdir()
    layout.params.write_text(yaml.safe_dump(PARAMS))
    params = load_params(layout.params)
    for stage in (ingest, embed, curate, audit, select):
        stage.run(params, layout, silent)
    git = ["git", "-C", str(layout.root), "-c", "user.name=Ada", "-c", "user.email=ada@localhost"]
    (layout.root / ".gitignore").write_text("/data\n/.assay\n")
    for command in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    return Side("workspace", "workspace", layout.root, commit)


@pytest.fixture(scope="session")
def params(side: Side) -> Params:
    return side.params


@pytest.fixture(scope="session")
def truth(side: Side, params: Params) -> dict[str, str | None]:
    """What every image really is; None for the blank ones."""
    ids = pa.table({"id": [row["id"] for row in oracle.side_table(side.layout.pool, "truth").to_pylist()]})
    told = answers.final(oracle.answer(ids, side.layout, params), params.task)
    return {sample: answer and answer.label for sample, answer in told.items()}


@pytest.fixture(scope="session")
def start(side: Side) -> Cell:
    return own_cell(side)


@pytest.fixture(scope="session")
def data(side: Side, start: Cell) -> data_track.BaselineData:
    return data_track.read_baseline(side, start.train, categories(start))


@pytest.fixture
def race_setup(side: Side, start: Cell, data: data_track.BaselineData, params: Params) -> RaceSetup:
    return RaceSetup(start, data, answers.annotator(side.layout, params), params.race, "accuracy")


def categories(cell: Cell) -> list[str]:
    return list(json.loads(cell.train.schema.metadata[b"categories"]))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals from fewer replicates: enough to see who has won."""
    monkeypatch.setattr(standing, "REPLICATES", 200)


World = Callable[[RaceTraining], float]
"""How likely a training is to get an image right."""


@pytest.fixture
def simulated(truth: dict[str, str | None]) -> Callable[[World], Any]:
    """Trainings of a world: each gets val and test images right with its chance, the hard ones last.

    An image is hard for everyone; that, and a little chance of the training's own, is what real models have.
    """

    def execute(world: World) -> Callable[[Sequence[RaceTraining]], list[RaceResult]]:
        return lambda turns: [RaceResult(turn, result_of(turn.cell, world(turn))) for turn in turns]

    return execute


def result_of(cell: Cell, chance: float) -> CellResult:
    """A result whose predictions are right with a chance; the same cell is the same result."""
    rng = np.random.default_rng(int(cell.key[:12], 16))
    names = categories(cell)
    rows, metrics = [], {}
    val = cell.train.filter(pa.compute.equal(cell.train["split"], "val"))
    for split, table in (("val", val), ("test", cell.ruler)):
        labels = np.array([names.index(label) for label in table["label"].to_pylist()])
        hard = np.random.default_rng(len(split)).random(len(labels))
        wrong = 0.9 * hard + 0.1 * rng.random(len(labels)) > chance
        said = (labels + wrong * rng.integers(1, len(names), len(labels))) % len(names)
        chances = np.full((len(labels), len(names)), 0.02, np.float32)
        chances[np.arange(len(labels)), said] = 1 - 0.02 * (len(names) - 1)
        metrics[split] = measure(Classified(chances, labels), 100, 0)
        rows += [
            {"id": i, "split": split, "label": label, "probabilities": p.tolist()}
            for i, label, p in zip(table["id"].to_pylist(), table["label"].to_pylist(), chances, strict=True)
        ]
    predictions = pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]))
    return CellResult(cell.key, predictions, metrics, [{"epoch": 1.0, "val_loss": 1.0}], 6.0, trained=True)
