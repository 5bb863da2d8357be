"""What `dvc repro` runs after each kind of change, and what MLflow then says had changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Workspace = Any  # of conftest.py, which importlib mode keeps to itself

DATA = ["curate", "audit", "select"]
MODEL = ["train", "evaluate", "track"]


def relabel_one(workspace: Workspace) -> list[str]:
    relabel(workspace)
    return workspace.repro()


def relabel(workspace: Workspace) -> str:
    """Say by a file that the first training image shows something else; its id."""
    row = next(r for r in workspace.read("data/selection/train.parquet") if r["split"] == "train")
    other = next(c for c in "01" if c != row["label"])
    (workspace.root / "fix.csv").write_text(f"id,label,why\n{row['id']},{other},misread\n")
    assert workspace.json("label", "fix.csv")["written"] == {"label": 1}
    return str(row["id"])


def a_remark_in_the_code(workspace: Workspace) -> list[str]:
    with (workspace.root / "src" / "assay" / "training" / "fit.py").open("a") as file:
        file.write("\n# a remark\n")
    return workspace.repro()


def unlabelled_images(workspace: Workspace) -> list[str]:
    folder = workspace.root / "raw" / "new" / "unlabelled"
    folder.mkdir(parents=True)
    for seed in range(5):
        pixels = np.random.default_rng(seed).integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    sources = workspace.read("params.yaml")["ingest"]["sources"]
    workspace.set(
        {"ingest": {"sources": [*sources, {"name": "new", "format": "imagefolder", "path": "raw/new"}]}}
    )
    return workspace.repro()


def another_seed(workspace: Workspace) -> list[str]:
    workspace.set({"seed": 1})
    return workspace.repro("train")


CHANGES: tuple[Callable[[Workspace], list[str]], ...] = (
    relabel_one,
    a_remark_in_the_code,
    unlabelled_images,
    another_seed,
)


@dataclass(frozen=True)
class Outcome:
    """A project after a change, and the stages that a `dvc repro` ran."""

    workspace: Workspace
    ran: list[str]

    @property
    def changed(self) -> str:
        return str(self.workspace.read(".assay/run.json")["changed"])


@pytest.fixture(scope="module")
def after(
    done: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Callable[[Workspace], list[str]]], Outcome]]:
    """`after(change)`: what came of a change of the finished project. Two are made at a time, a core each."""

    def make(change: Callable[[Workspace], list[str]], root: Path) -> Outcome:
        workspace = done.copy(root)
        return Outcome(workspace, change(workspace))

    home = tmp_path_factory.mktemp("changes")
    pool = ThreadPoolExecutor(2)
    outcomes = {change: pool.submit(make, change, home / change.__name__) for change in CHANGES}
    yield lambda change: outcomes[change].result()
    pool.shutdown(cancel_futures=True)


def test_a_second_repro_only_looks_through_the_door(workspace):
    before = workspace.lock
    assert workspace.repro() == ["ingest"]
    assert workspace.lock == before


@pytest.mark.parametrize(
    ("change", "ran", "changed"),
    [
        (relabel_one, [*DATA, *MODEL], "data"),
        (a_remark_in_the_code, ["select", *MODEL], "code"),
    ],
)  # of the model: test_faults.py; several at once: test_diff.py; everything from nothing, to the same bits: both
def test_a_change_runs_what_depends_on_it_and_mlflow_names_it(after, change, ran, changed):
    outcome = after(change)
    assert outcome.ran == ["ingest", *ran]
    assert outcome.changed == changed
    assert sorted(outcome.workspace.runs().values()) == ["FINISHED", "FINISHED"], (
        "the run before, and this one"
    )


def test_new_unlabelled_images_are_queued_and_train_nothing(after, done):
    outcome = after(unlabelled_images)
    assert outcome.ran == ["ingest", "embed", *DATA]
    counts = [w.read("data/snapshot/snapshot.json")["counts"] for w in (done, outcome.workspace)]
    assert counts[1]["samples"] == counts[0]["samples"] + 5
    assert counts[1]["labelled"] == counts[0]["labelled"]
    shards = [{f.name for f in (w.root / "data/pool/shards").iterdir()} for w in (done, outcome.workspace)]
    assert len(shards[1] - shards[0]) == 2, "one new shard with its index; the old ones stay as they are"


def test_another_seed_is_another_model(after, done):
    outcome = after(another_seed)
    assert outcome.ran == ["ingest", "select", "train"]
    models = [(w.root / "outputs/model/model.pt").read_bytes() for w in (done, outcome.workspace)]
    assert models[0] != models[1]
    ids = [w.read("data/selection/train.parquet") for w in (done, outcome.workspace)]
    assert ids[0] == ids[1]
