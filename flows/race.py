"""`assay race` as a Prefect flow: a task for each training of both tracks, on any task runner.

    python flows/race.py [BASELINE] [--workspace DIR] [--steps N] [--labels N] [--seeds N] [--answers REV]

The trainings of a step are independent and run in parallel; their metrics on val decide the next step. Cached trainings
are not repeated, so that a cancelled flow run is resumed by the next one.
"""

# No `from __future__ import annotations` here: see flows/pipeline.py

import argparse
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import unmapped
from pydantic import DirectoryPath, Field, PositiveInt
from rich.console import Console

from assay.commands.race import render, run, train
from assay.commands.streams import reported
from assay.experiments.processes import usable_cores
from assay.experiments.race.family import note
from assay.experiments.race.training_order import RaceResult, RaceTraining
from assay.layout import Layout
from assay.params import load_params
from own_server import own_server

ARTIFACT = "assay-race"
CORES_OF_A_CELL = 2
"""Cores of a cell, as train.threads in params.yaml; it limits the number of cells that run at once."""


@task(cache_policy=NO_CACHE, persist_result=False, task_run_name="{name}")
def training(name: str, turn: RaceTraining, root: Path) -> RaceResult:
    """Train and evaluate one step of one track with one seed, unless it is cached."""
    done, log = train(turn, Layout(root)), get_run_logger()
    if done.result is None:
        log.warning("%s cannot be trained: %s", name, done.failed)
    else:
        log.info("%s: %s", name, f"{done.result.seconds:.0f} s" if done.result.trained else "cached")
    return done


@flow(
    name="race",
    description="Work on the labels against work on the model, from one baseline.",
    task_runner=ThreadPoolTaskRunner(max_workers=max(1, usable_cores() // CORES_OF_A_CELL)),  # type: ignore[arg-type]
    validate_parameters=True,
)
def race(
    baseline: str = "workspace",
    workspace: DirectoryPath = Path(),
    steps: PositiveInt | None = None,
    labels_per_step: PositiveInt | None = None,
    seeds: PositiveInt | None = None,
    review_share: Annotated[float, Field(ge=0, le=1)] | None = None,
    answers: str | None = None,
) -> dict[str, Any]:
    """Race labels against trials. Defaults: section `race` of params.yaml.

    Args:
        baseline: start of both tracks: a git revision, an MLflow run, or `workspace`.
        workspace: the folder with dvc.yaml and params.yaml.
        steps: steps of each track.
        labels_per_step: labels of a step of the data track.
        seeds: repetitions of the whole race.
        review_share: share of these labels spent on reviews of suspects.
        answers: take answers from the edit batches between the baseline and this revision, not from the annotator.
    """
    layout = Layout(workspace.resolve())
    changed = {
        "steps": steps,
        "labels_per_step": labels_per_step,
        "seeds": seeds,
        "review_share": review_share,
    }

    def execute(turns: Sequence[RaceTraining]) -> list[RaceResult]:
        names = [turn.name for turn in turns]
        return [future.result() for future in training.map(names, list(turns), unmapped(layout.root))]

    with chdir(layout.root):
        summary = run(load_params(layout.params), layout, baseline, answers, changed=changed, execute=execute)
    create_markdown_artifact(note(summary), ARTIFACT, "Labels against trials")
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description="Labels against trials, from one baseline.")
    parser.add_argument("baseline", nargs="?", default="workspace")
    parser.add_argument("--workspace", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--labels", type=int, help="labels of a step")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--review-share", type=float)
    parser.add_argument("--answers", metavar="REV", help="take answers from the edit batches up to REV")
    given = parser.parse_args()
    with own_server():
        summary = race(
            given.baseline,
            given.workspace,
            given.steps,
            given.labels,
            given.seeds,
            given.review_share,
            given.answers,
        )
    render(summary, Console())


if __name__ == "__main__":
    with reported():
        main()
