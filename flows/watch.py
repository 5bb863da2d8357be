"""Resumes rounds that are suspended while people answer, once they can go on: see `iterate.enough`, `iterate.deadline`.

    python flows/watch.py PROJECT [--minutes M] [--every S]

The deployment `watch/PROJECT-watch` runs every ten minutes. A run ends at once if no run of `iterate/PROJECT-rounds` is
suspended; otherwise it counts the answers every half a minute, until the next run is due. It accepts none of them and
writes nothing to the workspace: the resumed run does. The progress is an artifact of the suspended run.
"""

# No `from __future__ import annotations` here: see flows/pipeline.py

import argparse
import re
import time
from contextlib import chdir, suppress
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import NotPausedError
from prefect.flow_runs import resume_flow_run
from pydantic import Field

from assay.commands import iterate
from assay.commands.streams import reported
from assay.errors import AssayError
from assay.layout import Layout
from assay.params import load_params
from own_server import own_server

ROUNDS, WATCH = "-rounds", "-watch"
"""Suffixes of the deployments."""
ARTIFACT = "assay-answers"
URL = re.compile(r"https?://\S+")
RULES = ("enough", "deadline")
"""Parameters of a run of the rounds that override params.yaml."""


@flow(
    name="watch",
    description="Resumes suspended rounds once their images are answered.",
    validate_parameters=True,
)
def watch(
    project: str | None = None,
    minutes: Annotated[float, Field(ge=0)] = 9,
    every: Annotated[float, Field(gt=0)] = 30,
) -> None:
    """Count the answers that suspended rounds wait for, and resume those that can go on.

    Args:
        project: whose rounds, those of the deployment PROJECT-rounds; default: by the name of this deployment.
        minutes: how long to watch, at most; 0: look once.
        every: seconds between two looks.
    """
    name = project or str(runtime.deployment.name or "").removesuffix(WATCH)
    end = time.monotonic() + 60 * minutes
    while runs := suspended(name + ROUNDS):
        look(runs)
        if time.monotonic() + every >= end:
            break
        time.sleep(every)


def suspended(deployment: str) -> list[FlowRun]:
    """The suspended runs of a deployment."""
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
            ),
        )


def look(runs: list[FlowRun]) -> None:
    """Show how far each run is, and resume those that can go on. An error of one is shown: the next look may pass."""
    for run in runs:
        try:
            told = state_of(run.parameters)
        except (AssayError, OSError) as error:
            about = f"The answers cannot be counted: {error}"
            if hint := getattr(error, "hint", None):
                about += f". {hint}"
            get_run_logger().warning("%s: %s", run.name, about)
            show(run, about)
            continue
        show(run, told["so_far"], told)
        if told["ready"]:
            get_run_logger().info("%s goes on", run.name)
            with suppress(NotPausedError):  # resumed by hand meanwhile
                resume_flow_run(run.id)


def state_of(parameters: dict[str, Any]) -> dict[str, Any]:
    """How far the round of a suspended run is."""
    layout = Layout(Path(parameters.get("workspace") or ".").resolve())
    with chdir(layout.root):
        changed = {name: parameters.get(name) for name in RULES}
        return iterate.waiting(load_params(layout.params), layout, changed)


def show(run: FlowRun, line: str, told: dict[str, Any] | None = None) -> None:
    """Renew the name of a suspended run, and the first line of its progress artifact. `told`: None if it is unknown."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(
                key=ArtifactFilterKey(any_=[ARTIFACT]),
                flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]),
            )
        )
        if told is not None:
            client.update_flow_run(run.id, name=called(run.name.partition(": ")[0], told))
    if found:
        newest = max(found, key=lambda artifact: str(artifact.created))
        percent = float(str(newest.data)) if told is None else share(told)
        rest = (newest.description or "").partition("\n")[2]
        update_progress_artifact(newest.id, percent, f"{line}\n{rest}")


def announce(result: dict[str, Any], root: Path) -> None:
    """Before a run is suspended: name it, and make its progress artifact. `root`: the workspace."""
    waiting, number = result["waiting"], 1 + max((row["number"] for row in result["rounds"]), default=0)
    places = waiting["where"] or ["`assay queue`, `assay label FILE`"]
    links = "\n".join(f"- {where}" for where in places)
    how = f"Answer here (files and commands: in `{root}`):"
    create_progress_artifact(share(waiting), ARTIFACT, f"{waiting['so_far']}\n\n{how}\n\n{linked(links)}\n")
    get_run_logger().warning(
        "round %s waits: %s. Answer in %s; the run goes on by itself",
        number,
        waiting["so_far"],
        ", ".join(places),
    )
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=called(f"{result['name']}, round {number}", waiting))


def called(begin: str, told: dict[str, Any]) -> str:
    """The name of a suspended run."""
    return f"{begin}: {told['sent'] - told['open']:,} of {told['sent']:,} answered"


def linked(text: str) -> str:
    """Markdown in which addresses are links."""
    return URL.sub(r"[\g<0>](\g<0>)", text)


def share(told: dict[str, Any]) -> float:
    """Percent of the images that are answered."""
    return 100.0 if not told["sent"] else 100 * (told["sent"] - told["open"]) / told["sent"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Resume suspended rounds once their images are answered.")
    parser.add_argument("project", help="whose rounds: those of the deployment PROJECT-rounds")
    parser.add_argument(
        "--minutes", type=float, default=9, help="how long, at most; 0: look once (default: 9)"
    )
    parser.add_argument("--every", type=float, default=30, help="seconds between two looks (default: 30)")
    given = parser.parse_args()
    with own_server():
        watch(given.project, given.minutes, given.every)


if __name__ == "__main__":
    with reported():
        main()
