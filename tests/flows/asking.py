"""What the Prefect server of the tests says of runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey

ROOT = Path(__file__).parents[2]


def ask(question: Any) -> Any:
    """What the server answers."""

    async def put() -> Any:
        async with get_client() as client:
            return await question(client)

    return asyncio.run(put())


def state(run: UUID) -> str:
    return str(ask(lambda client: client.read_flow_run(run)).state.name)


def progress(run: UUID) -> tuple[float, str]:
    """Percent and description of the progress artifact of a run, the newest one."""
    found = ask(
        lambda client: client.read_artifacts(
            artifact_filter=ArtifactFilter(
                key=ArtifactFilterKey(any_=["assay-answers"]), flow_run_id=ArtifactFilterFlowRunId(any_=[run])
            )
        )
    )
    newest = max(found, key=lambda artifact: artifact.created)
    return newest.data, newest.description


def prefect(*arguments: str, api: str) -> None:
    """A command of Prefect, which must succeed."""
    line = [sys.executable, "-m", "prefect", *arguments]
    env = {**os.environ, "PREFECT_API_URL": api}
    done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
