"""A copy of this very project, run once from nothing with real git, DVC and MLflow; each test has a copy of that.

The copy runs its own sources, not those beside the tests: what a test does to the code stays with it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from assay.data.files import read_table
from tests.pipeline.forking import programs

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SMALL: dict[str, dict[str, Any]] = {
    "select": {"budget": 20, "ruler_halfwidth": 0.2},
    "train": {"epochs": 4, "batch": 16, "augment": "none", "threads": 1},
    "evaluate": {"bootstrap": 200},
    "track": {"diff": False},
    "ingest": {
        "shard_images": 150,
        "sources": [
            {
                "name": "digits",
                "format": "demo",
                "options": {"images": 400, "wrong_labels": 0.05, "hidden": 0.4, "exact_duplicates": 8,
                            "near_duplicates": 8, "blurred": 5, "blank": 2, "corrupt": 3},
            }
        ],
    },
}  # fmt: skip
"""Params of the small run: what is not named is as in params.yaml."""


@dataclass
class Workspace:
    """A project on disk, and what people do in it."""

    root: Path
    env: dict[str, str]

    def run(self, *command: str, status: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; its exit code must be `status` (None: any).

        `assay` and `dvc` are forks (forking.py) unless they get variables of their own, which libraries may read.
        """
        variables = {**self.env, **env} if env else self.forking
        done = subprocess.run(
            command, cwd=self.root, env=variables, capture_output=True, text=True, check=False
        )
        said = f"{' '.join(command)} -> {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert status in (None, done.returncode), said
        assert "Traceback" not in done.stdout + done.stderr, said
        return done

    @property
    def forking(self) -> dict[str, str]:
        """The environment in which `assay` and `dvc` start as forks."""
        return {**self.env, "PATH": os.pathsep.join([str(programs()), self.env["PATH"]])}

    def assay(self, *args: str, status: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run("assay", *args, status=status, **env)

    def json(self, *args: str) -> Any:
        """What `assay … --json` prints."""
        return json.loads(self.assay(*args, "--json").stdout)

    def repro(self, *args: str, **env: str) -> list[str]:
        """`dvc repro`; the stages that ran."""
        return ran(self.run("dvc", "repro", *args, **env).stdout)

    def refused(self, *args: str, **env: str) -> str:
        """A `dvc repro` that must fail: all that it printed."""
        done = self.run("dvc", "repro", *args, status=None, **env)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def set(self, params: Mapping[str, Any]) -> None:
        """`{"train": {"lr": 0.1}}`: change keys of params.yaml."""
        file = self.root / "params.yaml"
        raw = yaml.safe_load(file.read_text())
        for section, value in params.items():
            raw[section] = {**raw[section], **value} if isinstance(value, dict) else value
        file.write_text(yaml.safe_dump(raw, sort_keys=False))

    def commit(self, message: str = "a step") -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    @property
    def lock(self) -> str:
        return (self.root / "dvc.lock").read_text()

    def read(self, path: str) -> Any:
        """A JSON or YAML file, or a Parquet file as a list of rows."""
        file = self.root / path
        return read_table(file).to_pylist() if file.suffix == ".parquet" else yaml.safe_load(file.read_text())

    def runs(self) -> dict[str, str]:
        """{run id: status} of the MLflow store."""
        with closing(sqlite3.connect(self.root / "mlflow.db")) as store:
            return dict(store.execute("select run_uuid, status from runs where lifecycle_stage = 'active'"))

    def copy(self, root: Path) -> Workspace:
        """The same project elsewhere, cache and MLflow store included."""
        shutil.copytree(self.root, root, symlinks=True)
        with closing(sqlite3.connect(root / "mlflow.db")) as store, store:
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                store.execute(
                    f"update {table} set {column} = replace({column}, ?, ?)", (str(self.root), str(root))
                )
        return Workspace(root, environment(root))


def ran(output: str) -> list[str]:
    """The stages that a `dvc repro` ran, in their order."""
    return re.findall(r"^Running stage '(\w+)':$", output, re.MULTILINE)


def environment(root: Path) -> dict[str, str]:
    """This one, with the project's own sources, no configuration of the person, and DVC's state beside it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_", "GIT_", "PYTEST_"))}
    return {
        **kept,
        "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
        "PYTHONPATH": str(root / "src"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(root.parent / f"{root.name}-dvc"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "COLUMNS": "200",
    }


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Workspace:
    """A project that `make` fills a folder with, once for all processes that the tests run in."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    root = shared / "projects" / name
    whole = shared / f"{name}.whole"
    with FileLock(shared / f"{name}.lock"):
        if not whole.exists():
            shutil.rmtree(root, ignore_errors=True)
            make(root)
            whole.touch()
    return Workspace(root, environment(root))


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A clone of this tree with small params, committed; nothing was run in it."""
    return made_once(tmp_path_factory, "fresh", make_fresh)


def make_fresh(root: Path) -> None:
    workspace = Workspace(root, environment(root))
    listed = subprocess.check_output(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if name not in ("dvc.lock",) and not name.startswith("data/edits/0") and (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    workspace.run("git", "init", "-qb", "main")
    workspace.run("git", "config", "user.name", "Ada")
    workspace.run("git", "config", "user.email", "ada@localhost")
    workspace.set(SMALL)
    workspace.commit("fresh")
    create = "from assay.tracking import store; store.create_sqlite(store.Path('mlflow.db').resolve())"
    workspace.run("python", "-c", create)  # MLflow takes 15 s for its schema


@pytest.fixture(scope="session")
def done(fresh: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The project after its first `dvc repro`, committed. Not to be changed: copy it."""

    def make(root: Path) -> None:
        workspace = fresh.copy(root)
        stages = list(yaml.safe_load((root / "dvc.yaml").read_text())["stages"])
        assert workspace.repro() == stages
        workspace.commit("the first run")

    return made_once(tmp_path_factory, "done", make)


@pytest.fixture
def workspace(done: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the project after its first run."""
    return done.copy(tmp_path / "project")


@pytest.fixture
def clean(fresh: Workspace, tmp_path: Path) -> Workspace:
    """A project in which nothing was run yet."""
    root = tmp_path / "project"
    shutil.copytree(fresh.root, root)
    return Workspace(root, environment(root))
