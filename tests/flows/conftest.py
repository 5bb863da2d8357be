"""One real Prefect server for all tests of the flows, and workspaces with stages that take no time."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.annotators.conftest import _server, server
from tests.pipeline.conftest import done, fresh
from tests.project import Repository
from tests.reports.conftest import browser

__all__ = ["_server", "browser", "done", "fresh", "server"]
ROOT = Path(__file__).parents[2]
PIPELINE = """\
stages:
  ingest:
    cmd: {ingest}
    always_changed: true
    outs: [{{data/pool: {{persist: true}}}}]
  embed:
    cmd: echo embedding; cp data/pool vectors
    deps: [data/pool]
    outs: [vectors]
  train:
    cmd: {train}
    deps: [vectors]
    outs: [model]
"""


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the server's database."""
    return tmp_path_factory.mktemp("prefect") / "prefect.db"


@pytest.fixture(scope="session")
def api(database: Path) -> Iterator[str]:
    """The address of a Prefect server that ends with this session, however that ends."""
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

    from own_server import own_server

    with (
        temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{database}"}),
        own_server(),
    ):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def flow() -> ModuleType:
    """flows/pipeline.py as a module."""
    spec = importlib.util.spec_from_file_location("pipeline_flow", ROOT / "flows" / "pipeline.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


Make = Callable[..., Path]


@pytest.fixture(scope="session")
def make_workspace(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A git and DVC repository with three stages, whose commands can be given."""

    def make(ingest: str = "mkdir -p data && echo pool > data/pool", train: str = "cp vectors model") -> Path:
        root = tmp_path_factory.mktemp("workspace")
        return Repository.begin(root, {"dvc.yaml": PIPELINE.format(ingest=ingest, train=train)}).root

    return make
