"""The rounds as a flow on a real Prefect server: suspended while people fill in a file, and going on when resumed.

With people in a browser and in Label Studio, and with real stages: test_people.py.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from prefect.flow_runs import resume_flow_run
from prefect.flows import load_flow_from_entrypoint

from assay.data.edits import read_batches
from assay.data.fold import fold
from assay.data.pool import Pool
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import select
from tests.flows.asking import ROOT, ask, progress, state

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api"), pytest.mark.timeout(600)]
ENTRYPOINT = f"{ROOT / 'flows' / 'iterate.py'}:iterate"
NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
PARAMS = {
    "ingest": {"sources": [{"name": "s", "format": "demo"}]},
    "select": {"strategy": "random", "budget": 4, "ruler_halfwidth": 0.49, "annotator": "file"},
}
STAGES = {
    "ingest": {"cmd": "cat data/pool/index.txt", "always_changed": True},
    "select": {"cmd": "echo choosing", "deps": ["params.yaml"]},
    "train": {"cmd": "echo the model is not what is tested here; exit 1", "deps": ["data/edits"]},
}


@pytest.fixture
def workspace(make_pool: Any, tmp_path: Path) -> Layout:
    """A repository with a queue, whose stages do nothing up to `select`, and whose `train` fails."""
    root = tmp_path / "project"
    layout = Layout(root)
    make_pool(layout.pool)
    (layout.pool / "index.txt").write_text("20 images\n")
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (root / ".gitignore").write_text(
        ".assay/\n/data/pool\n/data/snapshot\n/data/selection\n/labelling\nmlflow.db\n"
    )
    layout.edits.mkdir(parents=True)
    (layout.edits / ".gitkeep").touch()
    layout.snapshot.mkdir()
    snapshot = fold(Pool.open(layout.pool), [], NO_PAIRS, {"train": 0.6, "val": 0.2, "test": 0.2}, 0)
    snapshot.write(layout.snapshot)
    select.run(parse_params(PARAMS), layout, silent)
    for line in ("git init -qb main", "dvc init -q", "git add -A", "git commit -qm start"):
        subprocess.run(line.split(), cwd=root, check=True, env=environment())
    return layout


def environment() -> dict[str, str]:
    who = {"GIT_AUTHOR_NAME": "Ada", "GIT_COMMITTER_NAME": "Ada"}
    mail = {"GIT_AUTHOR_EMAIL": "ada@localhost", "GIT_COMMITTER_EMAIL": "ada@localhost"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **who, **mail, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull}


@pytest.fixture
def deployed() -> str:
    """The id of a deployment of the flow."""
    return str(load_flow_from_entrypoint(ENTRYPOINT).to_deployment("demo-rounds").apply())  # type: ignore[union-attr]


def execute(run: str, api: str) -> str:
    """Start the process that a worker starts for a run that is due; the name of the state that it ends in."""
    command = [sys.executable, "-m", "prefect.engine", str(run)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment(), "PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        check=False,
    )
    ended = ask(lambda client: client.read_flow_run(run)).state
    assert ended.is_paused() or ended.is_final(), done.stdout[-3000:] + done.stderr[-3000:]
    return str(ended.name)


def test_a_run_is_suspended_until_the_answers_are_there(workspace: Layout, deployed: str, api: str) -> None:
    watch = load_flow_from_entrypoint(f"{ROOT / 'flows' / 'watch.py'}:watch")
    parameters = {"workspace": str(workspace.root), "name": "demo"}
    run = ask(lambda client: client.create_flow_run_from_deployment(deployed, parameters=parameters)).id
    assert execute(run, api) == "Suspended"
    percent, about = progress(run)
    assert percent == 0
    assert about.startswith("0 of 4 images are answered; goes on with all\n")
    (file,) = (workspace.root / "labelling").glob("0001-file-*.csv")
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4

    answer(file, rows, 3)
    watch("demo", minutes=0)
    assert state(run) == "Suspended", "one is still open"
    percent, about = progress(run)
    assert (percent, about.splitlines()[-1]) == (75, f"- {file.relative_to(workspace.root)}")
    assert read_batches(workspace.edits) == [], "only the run itself accepts answers"
    resume_flow_run(run)
    assert execute(run, api) == "Suspended", "resumed by hand too early"
    answer(file, rows, 4)
    watch("demo", minutes=0)
    assert state(run) == "Resuming"
    assert execute(run, api) == "Failed", "it went on to train"
    assert [len(batch) for _, batch in read_batches(workspace.edits)] == [3, 1]
    assert len(list(workspace.ledger.glob("*.jsonl"))) == 1


def answer(file: Path, rows: list[dict[str, str]], many: int) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([*({**row, "label": "odd"} for row in rows[:many]), *rows[many:]])


def test_prefect_loads_the_flow_from_its_file_and_knows_its_parameters() -> None:
    loaded = load_flow_from_entrypoint(ENTRYPOINT)
    assert loaded.validate_parameters({"workspace": str(ROOT), "rounds": 2})["rounds"] == 2
