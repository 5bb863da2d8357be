"""`assay reproduce` as a flow on a real Prefect server: what comes out otherwise is a red task and a failed run."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.flows import load_flow_from_entrypoint

from assay.lineage.revisions import run_dvc

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]
ROOT = Path(__file__).parents[2]
ENTRYPOINT = "flows/reproduce.py:reproduce"
Make = Callable[..., Path]


@pytest.fixture
def flow() -> ModuleType:
    """flows/reproduce.py as a module."""
    spec = importlib.util.spec_from_file_location("reproduce_flow", ROOT / "flows" / "reproduce.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def commit(root: Path) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "add", "-A"], cwd=root, check=True)
    subprocess.run([*git, "commit", "-qm", "a step"], cwd=root, check=True)


def artifact() -> str:
    """What the last run told."""

    async def read() -> str:
        async with get_client() as client:
            chosen = ArtifactFilter(key=ArtifactFilterKey(any_=["assay-reproduction"]))
            found = await client.read_artifacts(artifact_filter=chosen)
            return str(max(found, key=lambda each: each.created).data)

    return asyncio.run(read())


def test_every_recording_is_a_task_and_what_differs_fails(flow: ModuleType, make_workspace: Make) -> None:
    root = make_workspace(train="cat vectors code > model")
    (root / ".gitignore").write_text(".assay/\n")
    (root / "params.yaml").write_text("ingest: {sources: [{name: d, format: demo}]}\n")
    (root / "code").write_text("v1\n")
    commit(root)
    run_dvc(["repro", "--quiet"], root)
    commit(root)
    (root / "code").write_text("v2\n")
    with (root / "dvc.lock").open("a") as lock:
        lock.write("# by hand\n")
    commit(root)

    with pytest.raises(flow.NotTheSame, match="diverged at stage train, output model") as caught:
        flow.reproduce(since="HEAD~2", workspace=root)

    assert [result["verdict"] for result in caught.value.results] == ["bitwise identical", "diverged"]
    assert caught.value.exit_code == 1
    told = artifact()
    assert "| **bitwise identical** |" in told
    assert "| **diverged** | model: 8 bytes, differ from byte 6 on" in told
    assert not list((root / ".assay" / "worktrees").iterdir())


def test_prefect_loads_the_flow_and_knows_its_parameters() -> None:
    loaded = load_flow_from_entrypoint(str(ROOT / ENTRYPOINT))
    assert loaded.validate_parameters({"workspace": str(ROOT), "what": "HEAD"})["since"] is None
